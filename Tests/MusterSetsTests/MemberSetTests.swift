import MusterSets
import TestSupport
import Testing

@Suite struct MemberSetTests {
    @Test func aSetHoldsWhatItWasBuiltFrom() {
        for seed in TestSeed.several(80) {
            var random = SeededRandom(seed: seed)
            let numbers = random.numbers()
            let sorted = numbers.sorted()
            let repeated = sorted + sorted.prefix(10) + sorted.reversed().prefix(10)
            let set = MemberSet(repeated.shuffled(using: &random))
            #expect(set == MemberSet(sorted), "MUSTER_SEED=\(seed)")
            #expect(set.count == numbers.count, "MUSTER_SEED=\(seed)")
            #expect(Array(set) == sorted, "MUSTER_SEED=\(seed)")
            #expect((set.min == sorted.first) && (set.max == sorted.last), "MUSTER_SEED=\(seed)")
            #expect(set.isEmpty == numbers.isEmpty, "MUSTER_SEED=\(seed)")
        }
    }

    @Test func containsAgreesWithSwiftsSet() {
        for seed in TestSeed.several(100) {
            var random = SeededRandom(seed: seed)
            let numbers = random.numbers()
            let set = MemberSet(numbers)
            let near = numbers.prefix(300).flatMap { [$0 &- 1, $0, $0 &+ 1, $0 ^ 0x10000] }
            let probes = near + keys.flatMap { [$0 << 16, $0 << 16 | 0xFFFF] } + (0..<100).map { _ in random.next32() }
            #expect(probes.allSatisfy { set.contains($0) == numbers.contains($0) }, "MUSTER_SEED=\(seed)")
        }
    }

    @Test func theEndsOfBlocksChunksAndTheRangeAreNumbersLikeOthers() {
        let ends: [UInt32] = [0, 65_535, 65_536, 1 << 20 - 1, 1 << 20, UInt32.max - 1, .max]
        var set = MemberSet()
        for number in ends.reversed() {
            let isNew = set.insert(number)
            let isNewAgain = set.insert(number)
            #expect(isNew && !isNewAgain)
        }
        #expect(set == MemberSet(ends))
        #expect(Array(set) == ends)
        #expect(set.members(after: .max, limit: 5) == [])
        #expect(set.members(after: .max - 1, limit: 5) == [.max])
        #expect(set.members(after: 65_535, limit: 2) == [65_536, 1 << 20 - 1])
        for number in ends {
            let wasThere = set.remove(number)
            #expect(wasThere && !set.contains(number))
        }
        #expect(set.isEmpty && set == [] && set.max == nil && set.min == nil)
    }

    @Test func singleChangesAgreeWithSwiftsSet() {
        for seed in TestSeed.several(40) {
            var random = SeededRandom(seed: seed)
            var numbers = random.numbers(containers: 2, of: [0, 1])
            var set = MemberSet(numbers)
            let known = numbers.sorted()
            for _ in 0..<300 {
                let number = random.below(2) == 0 ? known.randomElement(using: &random) ?? 5 : random.next32() & 0x1FFFF
                if random.below(2) == 0 {
                    let isNew = set.insert(number)
                    #expect(isNew == numbers.insert(number).inserted, "MUSTER_SEED=\(seed)")
                } else {
                    let wasThere = set.remove(number)
                    #expect(wasThere == (numbers.remove(number) != nil), "MUSTER_SEED=\(seed)")
                }
            }
            #expect(set == MemberSet(numbers), "MUSTER_SEED=\(seed)")
            #expect(set.count == numbers.count, "MUSTER_SEED=\(seed)")
        }
    }

    @Test func aBlockChangesItsShapeAtFourThousandAndNinetySixValuesAndBack() {
        var set = MemberSet((0..<4096).map { 7 * $0 })
        let list = set
        set.insert(1)
        #expect(set.byteCount > 8192 && list.byteCount < 8300)
        #expect(set.count == 4097 && list.count == 4096)
        set.remove(1)
        #expect(set == list)
        for number in list { set.remove(number) }
        #expect(set == MemberSet())
    }

    @Test func aCopyDoesNotSeeLaterChanges() {
        let numbers = (0..<200_000).map { UInt32($0) * 3 }
        let original = MemberSet(numbers)
        var copy = original
        copy.insert(1)
        copy.remove(0)
        copy.subtract(MemberSet(0..<100_000))
        #expect(original == MemberSet(numbers))
    }

    @Test func pagesJoinUpToTheSet() {
        for seed in TestSeed.several(60) {
            var random = SeededRandom(seed: seed)
            let set = MemberSet(random.numbers(containers: 3))
            let limit = 1 + random.below(3000)
            var (pages, last): ([UInt32], UInt32?) = ([], nil)
            while true {
                let page = set.members(after: last, limit: limit)
                pages += page
                if page.count < limit { break }
                last = page.last
            }
            #expect(pages == Array(set), "MUSTER_SEED=\(seed)")
        }
        #expect(MemberSet(0..<10).members(after: nil, limit: 0) == [])
        #expect(MemberSet(0..<10).members(after: nil, limit: -1) == [])
    }
}

extension SeededRandom {
    mutating func next32() -> UInt32 { UInt32(truncatingIfNeeded: next()) }
}
