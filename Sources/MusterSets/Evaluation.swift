/// An expression that is compiled once, to be evaluated over many states of its operands.
public struct CompiledExpression: Sendable {
    let program: Program

    /// Compiles an expression.
    public init(_ expression: SetExpression) { program = Program(expression) }

    /// Whether an element of the universe is in the set, given the operands that contain it.
    public func decide(_ isInOperand: (Int) -> Bool) -> Bool { program.decide(isInOperand) }
}

/// An expression over sets, ready to be evaluated. Each result lies within the universe: a number that is in an operand
/// but not in the universe is a member of nothing.
///
/// It evaluates the whole expression one container at a time and builds no intermediate sets. Besides the result it
/// uses 8 KiB of memory per level of the tree. It is a value: any number of threads may use it at once.
public struct Evaluation: Sendable {
    private let program: Program
    private let universe: MemberSet
    private let operands: [MemberSet]

    /// - Parameters:
    ///   - expression: its `set(index)` nodes name operands; an index without an operand is a programming error and
    ///     stops the process.
    ///   - universe: all numbers that exist.
    ///   - operands: shared, not copied.
    public init(_ expression: SetExpression, universe: MemberSet, operands: [MemberSet]) {
        self.init(CompiledExpression(expression), universe: universe, operands: operands)
    }

    /// The same, of an expression that is compiled already.
    public init(_ expression: CompiledExpression, universe: MemberSet, operands: [MemberSet]) {
        program = expression.program
        precondition(program.operandCount <= operands.count, "The expression names an operand that is not there")
        self.universe = universe
        self.operands = operands
    }

    /// The number of members.
    public func count() -> Int {
        Machine.with(program, operands: operands) { machine in
            var count = 0
            for (key, container) in zip(universe.keys, universe.containers) {
                machine.run(key: key, universe: container)
                count += machine.count()
            }
            return count
        }
    }

    /// Counts the members of each node of the expression in one pass. Nodes are in preorder: a node before its
    /// children, the children in their order.
    public func counts() -> [Int] {
        var counts = [Int](repeating: 0, count: program.nodes.count)
        Machine.with(program, operands: operands) { machine in
            for (key, container) in zip(universe.keys, universe.containers) {
                machine.run(key: key, universe: container, adding: &counts)
            }
        }
        // A derived node comes before the node it is derived from.
        for (node, relation) in program.nodes.enumerated().reversed() {
            switch relation {
            case .counted: break
            case .same(let other): counts[node] = counts[other]
            case .complement(let other): counts[node] = universe.count - counts[other]
            }
        }
        return counts
    }

    /// Tests one number with as few membership tests as decide it; builds nothing.
    public func contains(_ number: UInt32) -> Bool {
        universe.contains(number) && program.decide { operands[$0].contains(number) }
    }

    /// All members.
    public func members() -> MemberSet {
        Machine.with(program, operands: operands) { machine in
            var result = MemberSet()
            for (key, container) in zip(universe.keys, universe.containers) {
                machine.run(key: key, universe: container)
                if let members = machine.withMembers(Container.init(copying:)) { result.append(members, key: key) }
            }
            return result
        }
    }

    /// Returns a page: at most `limit` members in ascending order, from the first one after `number`, or from the
    /// lowest. Containers outside of the page are not evaluated.
    public func members(after number: UInt32?, limit: Int) -> [UInt32] {
        guard limit > 0, number != .max else { return [] }
        let first = number.map { $0 + 1 } ?? 0
        return Machine.with(program, operands: operands) { machine in
            var page: [UInt32] = []
            var index = universe.index(of: UInt16(first >> 16)).index
            while index < universe.keys.count, page.count < limit {
                let key = universe.keys[index]
                machine.run(key: key, universe: universe.containers[index])
                machine.withMembers { $0.append(to: &page, key: key, from: first, limit: limit) }
                index += 1
            }
            return page
        }
    }
}
