import MusterSets
import TestSupport
import Testing

@Suite struct MarginalTests {
    private static let containers: [UInt32] = [0, 1, 0xFFFF]

    @Test(arguments: TestSeed.several(60)) func regionsAreTheIntersectionsOfSwiftsSets(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let numbers = random.numbers(containers: 4, of: Self.containers)
        let others = (0..<random.below(6)).map { _ in random.numbers(containers: 3, of: Self.containers) }
        let sizes = MemberSet(numbers).regionSizes(dividedBy: others.map { MemberSet($0) })
        var expected = [Int](repeating: 0, count: 1 << others.count)
        for number in numbers { expected[others.reduce(0) { 2 * $0 + ($1.contains(number) ? 1 : 0) }] += 1 }
        #expect(sizes == expected, "MUSTER_SEED=\(seed)")
        #expect(sizes.reduce(0, +) == numbers.count, "MUSTER_SEED=\(seed)")
    }

    @Test(arguments: TestSeed.several(60)) func eachMarginalIsTheTreeWithOneChildTakenOut(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let operands = (0..<4).map { _ in MemberSet(random.numbers(containers: 3, of: Self.containers)) }
        let universe = MemberSet(random.numbers(containers: 5, of: Self.containers))
        func members(_ expression: SetExpression) -> MemberSet {
            Evaluation(expression, universe: universe, operands: operands).members()
        }
        for _ in 0..<10 {
            let expression = random.expression(depth: 4, operands: 4)
            var found: [Int: MemberSet] = [:]
            var order: [Int] = []
            expression.forEachMarginal { node, rest in
                found[node] = members(rest)
                order.append(node)
            }
            let expected = (0..<expression.nodeCount).compactMap { node in
                expression.without(node: node).map { (node, members($0)) }
            }
            #expect(order == expected.map(\.0), "MUSTER_SEED=\(seed) \(expression)")
            for (node, rest) in expected { #expect(found[node] == rest, "MUSTER_SEED=\(seed) \(expression) \(node)") }
        }
    }

    @Test func anAllWithoutItsOnlyChildIsEveryoneAndAnAnyIsNobody() {
        func sizes(_ expression: SetExpression) -> [Int] {
            var sizes: [Int] = []
            expression.forEachMarginal { _, rest in
                sizes.append(Evaluation(rest, universe: MemberSet(0..<100), operands: [MemberSet(0..<30)]).count())
            }
            return sizes
        }
        #expect(sizes(.all([.set(0)])) == [100])
        #expect(sizes(.any([.set(0)])) == [0])
        #expect(sizes(.not(.any([.set(0), .nothing]))) == [100, 70])
        #expect(sizes(.set(0)) == [] && sizes(.not(.set(0))) == [] && sizes(.all([])) == [])
    }
}

extension SetExpression {
    /// The tree without the node of this number in preorder; nil where that is no child of an `all` or `any`.
    fileprivate func without(node: Int) -> SetExpression? {
        func children(_ children: [SetExpression]) -> [SetExpression]? {
            var first = 1
            for (index, child) in children.enumerated() {
                if first == node { return Array(children[..<index] + children[(index + 1)...]) }
                if node < first + child.nodeCount {
                    return child.without(node: node - first).map { changed in
                        children.enumerated().map { $0.offset == index ? changed : $0.element }
                    }
                }
                first += child.nodeCount
            }
            return nil
        }
        switch self {
        case .all(let inner): return children(inner).map(Self.all)
        case .any(let inner): return children(inner).map(Self.any)
        case .not(let inner): return node > 0 ? inner.without(node: node - 1).map(Self.not) : nil
        case .set, .everyone, .nothing: return nil
        }
    }
}
