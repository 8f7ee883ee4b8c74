import TestSupport
import Testing

@testable import MusterSets

@Suite struct SampleTests {
    @Test(arguments: TestSeed.several(60)) func ranksFindWhatASortedArrayHasThere(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let numbers = random.numbers()
        let (set, sorted) = (MemberSet(numbers), numbers.sorted())
        #expect(set.members(atRanks: Array(sorted.indices)) == sorted, "MUSTER_SEED=\(seed)")
        for percent in [1, 30, 80] {
            let ranks = sorted.indices.filter { _ in random.chance(percent) }
            #expect(set.members(atRanks: ranks) == ranks.map { sorted[$0] }, "MUSTER_SEED=\(seed)")
        }
        #expect(set.members(atRanks: [sorted.count, sorted.count + 70_000]) == [])
    }

    @Test(arguments: TestSeed.several(60)) func aSampleIsOfTheSetAndHasNobodyTwice(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let numbers = random.numbers()
        let set = MemberSet(numbers)
        for count in [0, 1, numbers.count / 2, numbers.count, numbers.count + 9] {
            let sample = set.sample(count, seed: seed)
            #expect(sample.count == min(count, numbers.count), "MUSTER_SEED=\(seed)")
            #expect(Set(sample).isSubset(of: numbers), "MUSTER_SEED=\(seed)")
            #expect(zip(sample, sample.dropFirst()).allSatisfy { $0 < $1 }, "MUSTER_SEED=\(seed)")
            #expect(set.sample(count, seed: seed) == sample, "MUSTER_SEED=\(seed)")
        }
    }

    /// Of 7 members 35 samples of 3 are possible. With so many seeds the statistic is above 80 in one of 100,000 runs
    /// of a fair draw; these seeds are always the same.
    @Test func everySampleIsEquallyLikely() {
        let set: MemberSet = [3, 5, 65_536, 65_540, 131_072, 200_000, 4_000_000_000]
        var counts: [[UInt32]: Int] = [:]
        let rounds = 35_000
        for seed in 0..<UInt64(rounds) { counts[set.sample(3, seed: seed), default: 0] += 1 }
        #expect(counts.count == 35)
        let expected = Double(rounds) / 35
        let statistic = counts.values.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
        #expect(statistic < 80, "\(statistic)")
    }

    /// Callers keep seeds, so what is drawn with one must never change. The numbers are those of a program in another
    /// language.
    @Test func aSeedGivesTheSameMembersInEveryVersion() {
        let set = MemberSet((0..<100_000).map { 3 * $0 })
        #expect(set.sample(5, seed: 0) == [7_929, 31_902, 129_453, 264_981, 291_261])
        #expect(set.sample(5, seed: 1) == [133_278, 133_305, 169_959, 223_725, 291_294])
        let last = UInt64(bitPattern: -1)
        #expect(set.sample(5, seed: last) == [65_841, 127_869, 211_671, 268_170, 273_768])
    }

    /// The first numbers of the published program.
    @Test func theGeneratorIsSplitMix64() {
        var generator = SplitMix64(seed: 1_234_567)
        let numbers = (0..<5).map { _ in generator.next() }
        #expect(
            numbers == [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
                4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
            ])
    }
}
