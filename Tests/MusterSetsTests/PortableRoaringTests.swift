import MusterSets
import TestSupport
import Testing

@Suite struct PortableRoaringTests {
    @Test func bitmapsOfCRoaringAreRead() throws {
        for seed in TestSeed.several(80) {
            var random = SeededRandom(seed: seed)
            let numbers = random.numbers(containers: 6).sorted()
            let roaring = Roaring(numbers)
            let set = MemberSet(numbers)
            #expect(try decode(portable: roaring.portable) == set, "MUSTER_SEED=\(seed)")
            roaring.optimize()
            #expect(try decode(portable: roaring.portable) == set, "MUSTER_SEED=\(seed)")
        }
    }

    @Test func cRoaringReadsOurBitmaps() throws {
        for seed in TestSeed.several(80) {
            var random = SeededRandom(seed: seed)
            let numbers = random.numbers(containers: 6).sorted()
            let bytes = PortableRoaring.encode(MemberSet(numbers))
            #expect(Roaring(portable: bytes)?.numbers == numbers, "MUSTER_SEED=\(seed)")
            #expect(try decode(portable: bytes) == MemberSet(numbers), "MUSTER_SEED=\(seed)")
            let reference = Roaring(numbers)
            reference.optimize()
            #expect(bytes.count <= reference.portable.count, "MUSTER_SEED=\(seed)")
        }
    }

    @Test func theBytesAreThoseOfTheSpecification() throws {
        let empty: [UInt8] = [0x3A, 0x30, 0, 0, 0, 0, 0, 0]
        let list: [UInt8] = [0x3A, 0x30, 0, 0, 1, 0, 0, 0, 2, 0, 3, 0, 16, 0, 0, 0, 1, 0, 2, 0, 3, 0, 0, 1]
        let run: [UInt8] = [0x3B, 0x30, 0, 0, 1, 0, 0, 0xE7, 0x03, 1, 0, 5, 0, 0xE7, 0x03]
        let samples: [(MemberSet, [UInt8])] = [
            ([], empty), ([0x20001, 0x20002, 0x20003, 0x20100], list), (MemberSet(5..<1005), run),
        ]
        for (set, bytes) in samples {
            #expect(PortableRoaring.encode(set) == bytes)
            #expect(try decode(portable: bytes) == set)
        }
    }

    @Test func threeBlocksWithRunsHaveNoOffsetsAndFourHave() throws {
        for count in [1, 2, 3, 4, 8, 9, 17] {
            let numbers = (0..<UInt32(count)).flatMap { key in (0..<100).map { key << 16 | $0 } }
            let bytes = PortableRoaring.encode(MemberSet(numbers))
            #expect(bytes.count == 4 + (count + 7) / 8 + count * (count < 4 ? 10 : 14))
            #expect(Roaring(portable: bytes)?.numbers == numbers)
            #expect(try decode(portable: bytes) == MemberSet(numbers))
        }
    }

    private static let refused: [(StoredSetError, [UInt8])] = [
        (StoredSetError.unknownCookie, [0x3C, 0x30, 0, 0, 0, 0, 0, 0]),
        (.unknownCookie, [0x3A, 0x30, 1, 0, 0, 0, 0, 0]),
        (.truncated, []),
        (.truncated, [0x3A, 0x30, 0, 0]),
        (.truncated, [0x3A, 0x30, 0, 0, 0xFF, 0xFF, 0, 0]),
        (.wrongContainerCount, [0x3A, 0x30, 0, 0, 1, 0, 1, 0]),
        (.wrongContainerCount, [0x3B, 0x30, 0, 0, 3, 0, 0, 0, 0, 1, 0, 5, 0, 0, 0]),
        (.trailingBytes, [0x3A, 0x30, 0, 0, 0, 0, 0, 0, 0]),
        (.wrongOffset, [0x3A, 0x30, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 17, 0, 0, 0, 1, 0]),
        (.notAscending, [0x3A, 0x30, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0, 16, 0, 0, 0, 2, 0, 2, 0]),
        (.notAscending, [0x3A, 0x30, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0, 16, 0, 0, 0, 2, 0, 1, 0]),
        (.notAscending, [0x3B, 0x30, 1, 0, 3, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 5, 0, 0, 0, 1, 0, 5, 0, 0, 0]),
        (.notAscending, [0x3B, 0x30, 0, 0, 1, 0, 0, 2, 0, 2, 0, 5, 0, 1, 0, 6, 0, 0, 0]),
        (.notAscending, [0x3B, 0x30, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0xFF, 0xFF, 1, 0]),
        (.wrongCardinality, [0x3B, 0x30, 0, 0, 1, 0, 0, 1, 0, 1, 0, 5, 0, 2, 0]),
        (.wrongCardinality, [0x3B, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
        (.truncated, [0x3B, 0x30, 0, 0, 1, 0, 0, 0, 0, 0xFF, 0xFF]),
    ]

    @Test(arguments: refused)
    func bytesThatAreNotASetAreRefused(error: StoredSetError, bytes: [UInt8]) {
        #expect(throws: error) { try decode(portable: bytes) }
    }

    @Test func adjacentRunsAreRead() throws {
        let bytes: [UInt8] = [0x3B, 0x30, 0, 0, 1, 0, 0, 3, 0, 2, 0, 5, 0, 1, 0, 7, 0, 1, 0]
        #expect(try decode(portable: bytes) == [5, 6, 7, 8])
    }

    @Test func aBitsetOfTheWrongCountIsRefused() {
        var bytes = PortableRoaring.encode(MemberSet((0..<20_000).map { 3 * $0 }))
        bytes[100] ^= 1
        #expect(throws: StoredSetError.wrongCardinality) { try decode(portable: bytes) }
    }

    @Test func aSetOverTheMemoryLimitIsRefusedBeforeItIsBuilt() throws {
        let everyone = PortableRoaring.encode(MemberSet(0..<1 << 20))
        #expect(everyone.count == 4 + 2 + 16 * 14)
        #expect(throws: StoredSetError.overMemoryLimit) { try decode(portable: everyone, memoryLimit: 16 * 8192) }
        #expect(try decode(portable: everyone, memoryLimit: 16 * 8300).count == 1 << 20)
    }

    @Test func mutatedBytesAreRefusedOrAreAnotherSet() throws {
        for seed in TestSeed.several(60) {
            var random = SeededRandom(seed: seed)
            let roaring = Roaring(random.numbers(containers: 3, of: [0, 1, 2]).sorted())
            if random.below(2) == 0 { roaring.optimize() }
            let bytes = roaring.portable
            for _ in 0..<100 {
                var mutated = bytes
                random.mutate(&mutated)
                guard let set = try? decode(portable: mutated, memoryLimit: 1 << 20) else { continue }
                #expect(try decode(portable: PortableRoaring.encode(set)) == set, "MUSTER_SEED=\(seed)")
                #expect(Roaring(portable: mutated)?.numbers == Array(set), "MUSTER_SEED=\(seed)")
            }
        }
    }
}

extension SeededRandom {
    /// Bytes changed (mostly in the header, where it matters), inserted, removed or cut off.
    fileprivate mutating func mutate(_ bytes: inout [UInt8]) {
        for _ in 0...below(3) {
            let index = below(below(2) == 0 ? min(bytes.count, 60) : bytes.count)
            switch below(5) {
            case 0: bytes[index] = UInt8(below(256))
            case 1: bytes[index] ^= 1 << UInt8(below(8))
            case 2: bytes.insert(UInt8(below(256)), at: index)
            case 3 where bytes.count > 1: bytes.remove(at: index)
            default: bytes.removeLast(min(below(9), bytes.count - 1))
            }
        }
    }
}
