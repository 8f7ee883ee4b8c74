/// SipHash-2-4 with 128 bits of output (https://github.com/veorq/SipHash), over bytes that arrive in parts.
///
/// It is a value: a copy of the state after the key starts each hash, and nothing is allocated.
struct SipHash: Sendable {
    private var v0: UInt64
    private var v1: UInt64
    private var v2: UInt64
    private var v3: UInt64
    /// The bytes since the last whole word, from the lowest.
    private var tail: UInt64 = 0
    /// How many bits of `tail` are in use: a multiple of 8 below 64.
    private var tailBits: UInt64 = 0
    private var byteCount = 0

    /// - Parameter key: 16 bytes.
    init(key: UnsafeRawBufferPointer) {
        let (k0, k1) = (Self.word(key, 0), Self.word(key, 8))
        v0 = 0x736f_6d65_7073_6575 ^ k0
        // 128 bits of output begin with another state than 64.
        v1 = 0x646f_7261_6e64_6f6d ^ k1 ^ 0xee
        v2 = 0x6c79_6765_6e65_7261 ^ k0
        v3 = 0x7465_6462_7974_6573 ^ k1
    }

    mutating func append(byte: UInt8) {
        byteCount &+= 1
        appendToTail(byte)
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        byteCount &+= bytes.count
        var index = 0
        while bytes.count &- index >= 8 {
            let word = Self.word(bytes, index)
            compress(tail | word &<< tailBits)
            // A shift by all 64 bits would be one by none.
            tail = tailBits == 0 ? 0 : word &>> (64 &- tailBits)
            index &+= 8
        }
        while index < bytes.count {
            appendToTail(bytes[index])
            index &+= 1
        }
    }

    /// The hash of all bytes so far.
    consuming func digest() -> IdentifierDigest {
        compress(tail | UInt64(truncatingIfNeeded: byteCount) &<< 56)
        v2 ^= 0xee
        finalize()
        let high = v0 ^ v1 ^ v2 ^ v3
        v1 ^= 0xdd
        finalize()
        // The reference writes each word with its lowest byte first.
        return IdentifierDigest(high: high.byteSwapped, low: (v0 ^ v1 ^ v2 ^ v3).byteSwapped)
    }

    @inline(__always)
    private mutating func appendToTail(_ byte: UInt8) {
        tail |= UInt64(byte) &<< tailBits
        tailBits &+= 8
        guard tailBits == 64 else { return }
        compress(tail)
        (tail, tailBits) = (0, 0)
    }

    @inline(__always)
    private mutating func compress(_ word: UInt64) {
        v3 ^= word
        round()
        round()
        v0 ^= word
    }

    @inline(__always)
    private mutating func finalize() {
        round()
        round()
        round()
        round()
    }

    @inline(__always)
    private mutating func round() {
        v0 &+= v1
        v1 = Self.rotate(v1, 13) ^ v0
        v0 = Self.rotate(v0, 32)
        v2 &+= v3
        v3 = Self.rotate(v3, 16) ^ v2
        v0 &+= v3
        v3 = Self.rotate(v3, 21) ^ v0
        v2 &+= v1
        v1 = Self.rotate(v1, 17) ^ v2
        v2 = Self.rotate(v2, 32)
    }

    /// The caller has checked that 8 bytes are left.
    @inline(__always)
    private static func word(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
    }

    @inline(__always)
    private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
        value &<< count | value &>> (64 &- count)
    }
}
