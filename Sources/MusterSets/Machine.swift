/// Runs a program over one container of the universe after the other. A register's value stands for its intersection
/// with the universe; operands are only intersected at the end, and often not even then.
struct Machine {
    /// The content of a register. Arrays and bitsets are in the register's own scratch memory; an operand's container
    /// is used in place.
    enum Value {
        case nothing, everyone
        case container(Container)
        case filling(Filling)
    }

    struct Register {
        var value = Value.nothing
        /// Whether the value is known to be a subset of the universe.
        var isInside = true
        var scratch: Scratch
    }

    private var registers: [Register]
    /// The destination of the next result. It is then swapped with the scratch memory of the register that holds the
    /// result.
    private var spare: Scratch
    private var universe = Container.none
    private let operands: [MemberSet]
    private let program: Program

    /// Calls `body` with a machine. Its scratch memory is allocated once: one container per register, so one per level
    /// of the tree, and two more.
    static func with<Result>(
        _ program: Program, operands: [MemberSet], _ body: (inout Machine) -> Result
    ) -> Result {
        Scratch.with(count: program.registerCount + 1) { parts in
            var machine = Machine(program, operands, parts)
            return body(&machine)
        }
    }

    private init(_ program: Program, _ operands: [MemberSet], _ parts: [Scratch]) {
        self.program = program
        self.operands = operands
        registers = parts.dropLast().map { Register(scratch: $0) }
        spare = parts[parts.count - 1]
    }

    /// Evaluates the expression within one container of the universe; `count` and `members` read the result.
    mutating func run(key: UInt16, universe container: Container) {
        universe = container
        var next = 0
        while next < program.steps.count {
            let step = program.steps[next]
            next += 1
            if case .leave(let onNothing, let target) = step.action {
                if isDecided(step.register, onNothing: onNothing) { next = target }
            } else {
                perform(step, key: key)
            }
        }
    }

    /// Evaluates without short cuts and adds each counted node's members to its count.
    mutating func run(key: UInt16, universe container: Container, adding counts: inout [Int]) {
        universe = container
        for step in program.steps {
            perform(step, key: key)
            if let node = step.node { counts[node] += count(step.register) }
        }
    }

    private mutating func perform(_ step: Program.Step, key: UInt16) {
        let register = step.register
        switch step.action {
        case .loadOperand(let operand):
            let container = operands[operand].container(of: key)
            set(register, container.map(Value.container) ?? .nothing, isInside: container == nil)
        case .loadEveryone: set(register, .everyone, isInside: true)
        case .loadNothing: set(register, .nothing, isInside: true)
        case .complement: complement(register)
        case .combine(let operation): combine(operation, register)
        case .leave: break
        }
    }

    private mutating func set(_ register: Int, _ value: Value, isInside: Bool) {
        registers[register].value = value
        registers[register].isInside = isInside || universe.count == Container.fullCount
    }

    private func isDecided(_ register: Int, onNothing: Bool) -> Bool {
        switch registers[register].value {
        case .nothing: onNothing
        case .everyone: !onNothing
        case .filling(.array(count: 0)): onNothing
        default: false
        }
    }
}

// MARK: - Operations

extension Machine {
    private mutating func complement(_ register: Int) {
        switch registers[register].value {
        case .nothing: set(register, .everyone, isInside: true)
        case .everyone: set(register, .nothing, isInside: true)
        default:
            let filling = universe.withView { all in
                withView(register) { view in MusterSets.combine(.difference, all, view, into: spare) }
            }
            keep(filling, in: register, isInside: true)
        }
    }

    private mutating func combine(_ operation: SetOperation, _ left: Int) {
        let right = left + 1
        switch (operation, registers[left].value, registers[right].value) {
        case (.intersection, .nothing, _), (.intersection, _, .everyone): break
        case (.intersection, .everyone, _), (.intersection, _, .nothing): registers.swapAt(left, right)
        case (.union, .everyone, _), (.union, _, .nothing): break
        case (.union, .nothing, _), (.union, _, .everyone): registers.swapAt(left, right)
        case (.difference, .nothing, _), (.difference, _, .nothing): break
        case (.difference, _, .everyone): set(left, .nothing, isInside: true)
        case (.difference, .everyone, _):
            registers.swapAt(left, right)
            complement(left)
        default:
            let filling = withView(left) { left in
                withView(right) { right in MusterSets.combine(operation, left, right, into: spare) }
            }
            keep(filling, in: left, isInside: isInside(operation, registers[left].isInside, registers[right].isInside))
        }
    }

    private func isInside(_ operation: SetOperation, _ left: Bool, _ right: Bool) -> Bool {
        switch operation {
        case .union: left && right
        case .intersection: left || right
        case .difference: left
        }
    }

    /// Makes the content of the spare scratch memory the register's value.
    private mutating func keep(_ filling: Filling, in register: Int, isInside: Bool) {
        swap(&spare, &registers[register].scratch)
        set(register, .filling(filling), isInside: isInside)
    }

    private func withView<Result>(_ register: Int, _ body: (ContainerView) -> Result) -> Result {
        switch registers[register].value {
        case .nothing: body(.array(UnsafeBufferPointer(start: nil, count: 0)))
        case .everyone: universe.withView(body)
        case .container(let container): container.withView(body)
        case .filling(let filling): body(registers[register].scratch.view(filling))
        }
    }
}

// MARK: - Results

extension Machine {
    /// Members in the current container, within the universe.
    func count(_ register: Int = 0) -> Int {
        switch registers[register].value {
        case .nothing: return 0
        case .everyone: return universe.count
        case .container(let container) where registers[register].isInside: return container.count
        default: break
        }
        return withView(register) { view in
            if registers[register].isInside { return view.count }
            return universe.withView { view.countOfIntersection(with: $0) }
        }
    }

    /// Lends the members in the current container, within the universe.
    mutating func withMembers<Result>(_ body: (ContainerView) -> Result) -> Result {
        if !registers[0].isInside {
            let filling = universe.withView { all in
                withView(0) { view in MusterSets.combine(.intersection, view, all, into: spare) }
            }
            keep(filling, in: 0, isInside: true)
        }
        return withView(0, body)
    }
}

extension ContainerView {
    var count: Int {
        switch self {
        case .array(let values): values.count
        case .bitset(let words): Bitset.count(words)
        }
    }

    func countOfIntersection(with other: ContainerView) -> Int {
        switch (self, other) {
        case (.bitset(let left), .bitset(let right)): Bitset.countOfIntersection(left, right)
        case (.array(let list), .bitset(let words)), (.bitset(let words), .array(let list)):
            ArrayContainer.countOfIntersection(list, words)
        case (.array(let left), .array(let right)): ArrayContainer.countOfIntersection(left, right)
        }
    }
}
