import TestSupport
import Testing

@testable import MusterSets

@Suite struct StoredSetTests {
    /// Bytes 0, 1, 2 … up to 250, repeated, and their hash, computed by the Python package xxhash 3.
    private static let hashes: [(Int, UInt64)] = [
        (0, 0xEF46_DB37_51D8_E999), (31, 0xC346_D2B5_9B4D_8EE1), (32, 0xCBF5_9C51_16FF_32B4),
        (63, 0xE26A_A9E2_A95F_8E4F), (1000, 0xF306_F04A_A88B_54D3),
    ]

    @Test(arguments: hashes)
    func theChecksumIsXXH64(count: Int, expected: UInt64) {
        let bytes = (0..<count).map { UInt8($0 % 251) }
        #expect(bytes.withUnsafeBytes { XXH64.hash($0) } == expected)
    }

    @Test func theBytesAreTheChecksumAndThePortableForm() {
        let set: MemberSet = [0x20001, 0x20002, 0x20003, 0x20100]
        let portable = PortableRoaring.encode(set)
        #expect(Array(StoredSet.encode(set)[8...]) == portable)
        #expect(Array(StoredSet.encode(set)[..<8]) == [0x1D, 0x95, 0xB1, 0xE0, 0x66, 0xFA, 0xDF, 0x59])
    }

    @Test func aStoredSetIsReadUnchanged() throws {
        for seed in TestSeed.several(100) {
            var random = SeededRandom(seed: seed)
            let set = MemberSet(random.numbers(containers: 6))
            #expect(try decode(stored: StoredSet.encode(set)) == set, "MUSTER_SEED=\(seed)")
        }
    }

    @Test func eachTruncationAndEachFlippedBitIsRefused() throws {
        let bytes = StoredSet.encode([1, 2, 3, 70_000, 70_001, 70_002, 70_003, 70_004, 70_005, 200_000, .max])
        for count in bytes.indices {
            #expect(throws: StoredSetError.self) { try decode(stored: Array(bytes[..<count])) }
        }
        #expect(throws: StoredSetError.wrongChecksum) { try decode(stored: bytes + [0]) }
        for index in bytes.indices {
            for bit in 0..<8 {
                var flipped = bytes
                flipped[index] ^= 1 << UInt8(bit)
                #expect(throws: StoredSetError.wrongChecksum) { try decode(stored: flipped) }
            }
        }
    }

    @Test func aRightChecksumDoesNotMakeBytesASet() {
        var bytes = StoredSet.encode([1, 2, 3])
        bytes.append(0)
        let hash = bytes.withUnsafeBytes { XXH64.hash(UnsafeRawBufferPointer(rebasing: $0[8...])) }
        bytes.withUnsafeMutableBytes { $0.storeBytes(of: hash.littleEndian, as: UInt64.self) }
        #expect(throws: StoredSetError.trailingBytes) { try decode(stored: bytes) }
    }

    @Test func aChunkRefusesNumbersOfAnother() throws {
        let set: MemberSet = [1 << 20, 2 << 20 - 1]
        let bytes = StoredSet.encode(set)
        #expect(try decode(stored: bytes, chunk: 1) == set)
        for chunk in [0, 2, 4096, -1] {
            #expect(throws: StoredSetError.outsideChunk) { try decode(stored: bytes, chunk: chunk) }
        }
        #expect(try decode(stored: StoredSet.encode([]), chunk: 7) == [])
        #expect(throws: StoredSetError.outsideChunk) { try decode(stored: StoredSet.encode([5, 1 << 20]), chunk: 0) }
    }
}
