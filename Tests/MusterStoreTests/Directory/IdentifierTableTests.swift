import MusterUsers
import TestSupport
import Testing

@testable import MusterStore

/// The hash table of identity directories, compared with a dictionary.
struct IdentifierTableTests {
    @Test(arguments: TestSeed.several(8))
    func aTableFindsWhatADictionaryFinds(seed: UInt64) throws {
        try compare(seed: seed, pool: 9_000, steps: 60_000) { $0.digest() }
    }

    /// Long runs of full slots, around the end of the slots too.
    @Test(arguments: TestSeed.several(8))
    func removalLeavesNoGapInFrontOfIdentifiersThatShareAHome(seed: UInt64) throws {
        try compare(seed: seed, pool: 300, steps: 20_000) { random in
            let home: UInt64 = random.pick([0, 0x4000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF]) ?? 0
            return IdentifierDigest(high: random.next(), low: home << 32)
        }
    }

    /// 16 bytes a slot, and two thirds to four fifths of the slots are used.
    @Test func anIdentifierTakesAtMost25Bytes() {
        var random = TestSeed("anIdentifierTakesAtMost25Bytes").random
        var table = IdentifierTable()
        for count in 1...200_000 {
            table.put(Fingerprint(random.digest()), random.user())
            guard count > 2_000, count.isMultiple(of: 999) else { continue }
            let bytes = Double(table.byteCount) / Double(count)
            #expect(bytes > 16 && bytes < 25, "\(bytes) bytes an identifier with \(count) of them")
        }
    }

    /// A look-up passes a few slots, even after many removals.
    @Test func identifiersLieNearTheirHomes() {
        var random = TestSeed("identifiersLieNearTheirHomes").random
        var table = IdentifierTable()
        var fingerprints: [Fingerprint] = []
        for count in 1...100_000 {
            fingerprints.append(Fingerprint(random.digest()))
            table.put(fingerprints[count - 1], random.user())
            if random.chance(50) { table.remove(fingerprints[random.below(count)]) }
            if count.isMultiple(of: 9_999) { #expect(table.meanDistance < 3, "\(table.meanDistance)") }
        }
    }

    @Test func memoryOfRemovedIdentifiersIsFreed() {
        var random = TestSeed("memoryOfRemovedIdentifiersIsFreed").random
        var table = IdentifierTable()
        let fingerprints = (0..<50_000).map { _ in Fingerprint(random.digest()) }
        for fingerprint in fingerprints { table.put(fingerprint, random.user()) }
        for fingerprint in fingerprints.dropLast(100) { table.remove(fingerprint) }
        #expect(table.count == 100)
        #expect(table.byteCount < 20_000)
    }

    /// Puts, replaces, removes and looks up at random, in a pool of identifiers that are known in part.
    private func compare(
        seed: UInt64, pool: Int, steps: Int, digest: (inout SeededRandom) -> IdentifierDigest
    ) throws {
        var random = SeededRandom(seed: seed)
        let fingerprints = (0..<pool).map { _ in Fingerprint(digest(&random)) }
        var table = IdentifierTable()
        var truth: [Fingerprint: UserNumber] = [:]
        // More often put than removed, then the other way round.
        for step in 0..<steps {
            let fingerprint = fingerprints[random.below(pool)]
            if random.chance(step < steps / 2 ? 80 : 30) {
                let user = random.user()
                table.put(fingerprint, user)
                truth[fingerprint] = user
            } else {
                table.remove(fingerprint)
                truth[fingerprint] = nil
            }
            let isThere = table[fingerprint] == truth[fingerprint]
            try #require(isThere, "seed \(seed), step \(step)")
            guard step.isMultiple(of: steps / 10) || step == steps - 1 else { continue }
            var found = [UserNumber?](repeating: nil, count: pool)
            table.find(fingerprints) { found[$0] = $1 }
            // Without the values: a report would compare thousands of them with one another.
            let isSame = table.all == truth && found == fingerprints.map { truth[$0] }
            try #require(isSame && table.count == truth.count, "seed \(seed), step \(step)")
        }
    }
}

extension IdentifierTable {
    fileprivate var all: [Fingerprint: UserNumber] {
        borrowing get {
            var all: [Fingerprint: UserNumber] = [:]
            visit { all[$0] = $1 }
            return all
        }
    }
}

extension SeededRandom {
    /// A digest as keyed hashing makes them: random bits.
    mutating func digest() -> IdentifierDigest { IdentifierDigest(high: next(), low: next()) }

    fileprivate mutating func user() -> UserNumber {
        UserNumber(rawValue: UInt32.random(in: 0...UInt32(Int32.max), using: &self))
    }
}
