/// An expression over sets, ready to be asked. Every answer lies within the universe: a number that is in an operand and not in the universe
/// is a member of nothing.
///
/// It works block by block of 2^16 numbers over the whole expression and never builds an intermediate set; besides its answer it takes 8 KiB
/// of memory per level of the tree. A value: it may be asked from many threads at once.
public struct Evaluation: Sendable {
    private let program: Program
    private let universe: MemberSet
    private let operands: [MemberSet]

    /// - Parameters:
    ///   - expression: its `set(index)` nodes name operands; an index without an operand is a programming error and stops the process.
    ///   - universe: everyone there is.
    ///   - operands: shared, not copied.
    public init(_ expression: SetExpression, universe: MemberSet, operands: [MemberSet]) {
        program = Program(expression)
        precondition(program.operandCount <= operands.count, "The expression names an operand that is not there")
        self.universe = universe
        self.operands = operands
    }

    /// How many members there are.
    public func count() -> Int {
        Machine.with(program, operands: operands) { machine in
            var count = 0
            for (key, block) in zip(universe.keys, universe.blocks) {
                machine.run(key: key, universe: block)
                count += machine.count()
            }
            return count
        }
    }

    /// How many members each node of the expression has, in preorder (a node before its children, these in their order), in one pass.
    public func counts() -> [Int] {
        var counts = [Int](repeating: 0, count: program.nodes.count)
        Machine.with(program, operands: operands) { machine in
            for (key, block) in zip(universe.keys, universe.blocks) {
                machine.run(key: key, universe: block, adding: &counts)
            }
        }
        // A node that is derived comes before the one it is derived from.
        for (node, relation) in program.nodes.enumerated().reversed() {
            switch relation {
            case .counted: break
            case .same(let other): counts[node] = counts[other]
            case .complement(let other): counts[node] = universe.count - counts[other]
            }
        }
        return counts
    }

    /// Whether a number is a member: the few tests that decide it, without building anything.
    public func contains(_ number: UInt32) -> Bool {
        universe.contains(number) && program.decide { operands[$0].contains(number) }
    }

    /// All members.
    public func members() -> MemberSet {
        Machine.with(program, operands: operands) { machine in
            var result = MemberSet()
            for (key, block) in zip(universe.keys, universe.blocks) {
                machine.run(key: key, universe: block)
                if let members = machine.withMembers(Block.init(copying:)) { result.append(members, key: key) }
            }
            return result
        }
    }

    /// At most `limit` members in ascending order, those after `number` or from the lowest: a page. Blocks before and behind it are not worked out.
    public func members(after number: UInt32?, limit: Int) -> [UInt32] {
        guard limit > 0, number != .max else { return [] }
        let first = number.map { $0 + 1 } ?? 0
        return Machine.with(program, operands: operands) { machine in
            var page: [UInt32] = []
            var place = universe.place(of: UInt16(first >> 16)).place
            while place < universe.keys.count, page.count < limit {
                let key = universe.keys[place]
                machine.run(key: key, universe: universe.blocks[place])
                machine.withMembers { $0.append(to: &page, key: key, from: first, limit: limit) }
                place += 1
            }
            return page
        }
    }
}
