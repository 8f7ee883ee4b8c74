/// A compiled set expression: steps for a register machine that combines containers, and a chain of membership tests
/// that decides one number.
struct Program: Sendable {
    enum Action: Sendable {
        case loadOperand(Int)
        case loadEveryone
        case loadNothing
        /// Everyone without the register's value.
        case complement
        /// Combines the register with the next one.
        case combine(SetOperation)
        /// Continues at this step if the register is empty (or everyone), since no further child can change that.
        case leave(onNothing: Bool, to: Int)
    }

    struct Step: Sendable {
        var action: Action
        var register: Int
        /// The node, in preorder, whose value the register holds after the step.
        var node: Int?
    }

    /// How a node's count follows from another node's, when it is not counted itself.
    enum Relation: Sendable {
        case counted
        case same(Int)
        case complement(Int)
    }

    /// One membership test and its continuations: another test, `isMember` or `isNone`.
    struct Test: Sendable {
        var operand: Int
        var onMember: Int
        var onOther: Int
    }

    static let isMember = -1
    static let isNone = -2

    private(set) var steps: [Step] = []
    private(set) var nodes: [Relation]
    private(set) var registerCount = 1
    private(set) var operandCount = 0
    private(set) var tests: [Test] = []
    private(set) var firstTest = isNone

    init(_ expression: SetExpression) {
        nodes = Array(repeating: .counted, count: expression.nodeCount)
        compile(expression, node: 0, register: 0)
        firstTest = addTests(expression, onMember: Self.isMember, onOther: Self.isNone)
    }
}

// MARK: - Steps

extension Program {
    private mutating func emit(_ action: Action, _ register: Int, node: Int? = nil) {
        registerCount = max(registerCount, register + 1)
        steps.append(Step(action: action, register: register, node: node))
    }

    private mutating func compile(_ expression: SetExpression, node: Int, register: Int) {
        switch expression {
        case .set(let operand):
            operandCount = max(operandCount, operand + 1)
            emit(.loadOperand(operand), register, node: node)
        case .everyone: emit(.loadEveryone, register, node: node)
        case .nothing: emit(.loadNothing, register, node: node)
        case .not(let inner):
            nodes[node] = .complement(node + 1)
            compile(inner, node: node + 1, register: register)
            emit(.complement, register)
        case .all(let children): compile(children, isAll: true, node: node, register: register)
        case .any(let children): compile(children, isAll: false, node: node, register: register)
        }
    }

    private mutating func compile(_ children: [SetExpression], isAll: Bool, node: Int, register: Int) {
        if children.isEmpty { return emit(isAll ? .loadEveryone : .loadNothing, register, node: node) }
        if children.count == 1 { nodes[node] = .same(node + 1) }
        var leaves: [Int] = []
        for (index, child) in Self.ordered(children, from: node + 1, isAll: isAll).enumerated() {
            if index == 0 {
                compile(child.expression, node: child.node, register: register)
            } else {
                combine(child.expression, node: child.node, isAll: isAll, register: register)
            }
            leaves.append(steps.count)
            emit(.leave(onNothing: isAll, to: 0), register)
        }
        if children.count > 1 { steps[leaves[leaves.count - 1] - 1].node = node }
        for leave in leaves { steps[leave].action = .leave(onNothing: isAll, to: steps.count) }
    }

    /// `a` and not `b` is computed as `a` minus `b`, without the complement.
    private mutating func combine(_ child: SetExpression, node: Int, isAll: Bool, register: Int) {
        if isAll, case .not(let inner) = child {
            nodes[node] = .complement(node + 1)
            compile(inner, node: node + 1, register: register + 1)
            emit(.combine(.difference), register)
        } else {
            compile(child, node: node, register: register + 1)
            emit(.combine(isAll ? .intersection : .union), register)
        }
    }

    /// The children with their preorder numbers; in `all`, those first from which others are subtracted.
    private static func ordered(
        _ children: [SetExpression], from node: Int, isAll: Bool
    ) -> [(expression: SetExpression, node: Int)] {
        var next = node
        var first: [(SetExpression, Int)] = []
        var last: [(SetExpression, Int)] = []
        for child in children {
            if isAll, case .not = child { last.append((child, next)) } else { first.append((child, next)) }
            next += child.nodeCount
        }
        return first + last
    }
}

// MARK: - Tests

extension Program {
    /// Adds the tests of an expression, the last child's first, so that each knows its continuation. Returns the first
    /// test.
    private mutating func addTests(_ expression: SetExpression, onMember: Int, onOther: Int) -> Int {
        switch expression {
        case .set(let operand):
            tests.append(Test(operand: operand, onMember: onMember, onOther: onOther))
            return tests.count - 1
        case .everyone: return onMember
        case .nothing: return onOther
        case .not(let inner): return addTests(inner, onMember: onOther, onOther: onMember)
        case .all(let children):
            return children.reversed().reduce(onMember) { addTests($1, onMember: $0, onOther: onOther) }
        case .any(let children):
            return children.reversed().reduce(onOther) { addTests($1, onMember: onMember, onOther: $0) }
        }
    }

    /// Whether an element of the universe is in the set, given the operands that contain it. Allocates nothing.
    func decide(_ isInOperand: (Int) -> Bool) -> Bool {
        var next = firstTest
        while next >= 0 {
            let test = tests[next]
            next = isInOperand(test.operand) ? test.onMember : test.onOther
        }
        return next == Self.isMember
    }
}
