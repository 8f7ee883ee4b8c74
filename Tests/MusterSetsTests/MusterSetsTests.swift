import MusterSets
import Testing

@Suite struct Smoke {
    @Test func works() {
        let everyone = MemberSet(0..<200_000)
        let a: MemberSet = [1, 70_000, 199_999, 5_000_000]
        #expect(everyone.count == 200_000)
        let e = Evaluation(.all([.everyone, .not(.set(0))]), universe: everyone, operands: [a])
        #expect(e.count() == 199_997)
        #expect(e.counts() == [199_997, 200_000, 199_997, 3])
        let bytes = StoredSet.encode(everyone)
        #expect(try! bytes.withUnsafeBytes { try StoredSet.decode($0) } == everyone)
    }
}
