import MusterSets
import TestSupport
import Testing

/// The same algebra by number: the operands that contain a number decide about it, so numbers are grouped by these.
private struct Naive {
    let universe: Set<UInt32>
    /// By the operands that contain them, as bits.
    let groups: [Int: [UInt32]]

    init(universe: Set<UInt32>, operands: [Set<UInt32>]) {
        self.universe = universe
        groups = Dictionary(grouping: universe.sorted()) { number in
            operands.indices.reduce(0) { $0 | (operands[$1].contains(number) ? 1 << $1 : 0) }
        }
    }

    func members(_ expression: SetExpression) -> [UInt32] {
        groups.filter { Self.holds(expression, in: $0.key) }.flatMap(\.value)
    }

    func count(_ expression: SetExpression) -> Int {
        groups.reduce(0) { $0 + (Self.holds(expression, in: $1.key) ? $1.value.count : 0) }
    }

    func counts(_ expression: SetExpression) -> [Int] {
        switch expression {
        case .set, .everyone, .nothing: [count(expression)]
        case .not(let inner): [count(expression)] + counts(inner)
        case .all(let children), .any(let children): [count(expression)] + children.flatMap(counts)
        }
    }

    private static func holds(_ expression: SetExpression, in group: Int) -> Bool {
        switch expression {
        case .set(let index): group >> index & 1 == 1
        case .everyone: true
        case .nothing: false
        case .not(let inner): !holds(inner, in: group)
        case .all(let children): children.allSatisfy { holds($0, in: group) }
        case .any(let children): children.contains { holds($0, in: group) }
        }
    }
}

extension SeededRandom {
    /// A tree of at most this depth over these operands.
    mutating func expression(depth: Int, operands: Int) -> SetExpression {
        switch depth == 0 ? below(12) : 8 + below(24) {
        case 0...9: return .set(below(operands))
        case 10: return .everyone
        case 11: return .nothing
        case 12...17: return .not(expression(depth: depth - 1, operands: operands))
        case 18...24: return .all(children(depth: depth, operands: operands))
        default: return .any(children(depth: depth, operands: operands))
        }
    }

    private mutating func children(depth: Int, operands: Int) -> [SetExpression] {
        (0..<below(4)).map { _ in expression(depth: depth - 1, operands: operands) }
    }
}

@Suite struct EvaluationTests {
    private static let containers: [UInt32] = [0, 1, 0xFFFF]

    @Test(arguments: TestSeed.several(100)) func randomTreesAgreeWithSwiftsSets(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let sets = (0..<4).map { _ in random.numbers(containers: 3, of: Self.containers) }
        let universe = random.numbers(containers: 5, of: Self.containers).union([0, 65_536, .max])
        let naive = Naive(universe: universe, operands: sets)
        let (everyone, operands) = (MemberSet(universe), sets.map { MemberSet($0) })
        let probes = universe.prefix(40) + sets.flatMap { $0.prefix(40) } + [1, 65_535]
        for turn in 0..<30 {
            let expression = random.expression(depth: 5, operands: 4)
            let evaluation = Evaluation(expression, universe: everyone, operands: operands)
            #expect(evaluation.count() == naive.count(expression), "MUSTER_SEED=\(seed) \(expression)")
            #expect(evaluation.counts() == naive.counts(expression), "MUSTER_SEED=\(seed) \(expression)")
            if turn % 5 > 0 { continue }
            let members = naive.members(expression)
            #expect(evaluation.members() == MemberSet(members), "MUSTER_SEED=\(seed) \(expression)")
            let known = Set(members)
            let isRight = probes.allSatisfy { evaluation.contains($0) == known.contains($0) }
            #expect(isRight, "MUSTER_SEED=\(seed) \(expression)")
            let after = probes.randomElement(using: &random)!
            let page = members.filter { $0 > after }.sorted().prefix(20)
            #expect(evaluation.members(after: after, limit: 20) == Array(page), "MUSTER_SEED=\(seed) \(expression)")
        }
    }

    @Test func emptyAllIsEveryoneAndEmptyAnyIsEmpty() {
        let universe = MemberSet(0..<70_000)
        #expect(Evaluation(.all([]), universe: universe, operands: []).count() == 70_000)
        #expect(Evaluation(.any([]), universe: universe, operands: []).count() == 0)
        #expect(Evaluation(.any([]), universe: universe, operands: []).contains(1) == false)
    }

    @Test func aNumberOutsideTheUniverseIsInNoSet() {
        let evaluation = Evaluation(.set(0), universe: [2, 3], operands: [MemberSet(0..<200_000)])
        #expect(evaluation.members() == [2, 3] && evaluation.count() == 2)
        #expect(!evaluation.contains(1) && !evaluation.contains(100_000) && evaluation.contains(2))
        #expect(evaluation.members(after: nil, limit: 10) == [2, 3])
        let none = Evaluation(.not(.set(0)), universe: [], operands: [[1]])
        #expect(none.count() == 0 && none.counts() == [0, 0] && none.members().isEmpty)
    }

    @Test func countsComeInPreorderInTheOrderWritten() {
        let universe = MemberSet(0..<100)
        let operands: [MemberSet] = [MemberSet(0..<10), MemberSet(5..<40), MemberSet(8..<20)]
        let expression = SetExpression.all([.not(.set(2)), .any([.set(0), .set(1)]), .everyone])
        #expect(expression.nodeCount == 7)
        let counts = Evaluation(expression, universe: universe, operands: operands).counts()
        #expect(counts == [28, 88, 12, 40, 10, 35, 100])
    }

    @Test func deepTreesAreAnsweredLikeShallowOnes() {
        let universe = MemberSet(0..<100_000)
        let operand = MemberSet((0..<30_000).map { 3 * $0 })
        var twice = SetExpression.set(0)
        for _ in 0..<500 { twice = .not(.not(twice)) }
        let evaluation = Evaluation(twice, universe: universe, operands: [operand])
        #expect(evaluation.count() == 30_000 && evaluation.contains(3) && !evaluation.contains(4))
        #expect(evaluation.counts().count == 1001)
        var nested = SetExpression.set(0)
        for level in 0..<200 { nested = level % 2 == 0 ? .all([.everyone, nested]) : .any([.set(0), nested]) }
        #expect(Evaluation(nested, universe: universe, operands: [operand]).members() == operand)
    }
}
