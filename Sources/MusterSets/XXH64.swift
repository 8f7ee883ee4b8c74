/// XXH64 with seed 0 (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md): the checksum of a stored set.
///
/// It detects damage by disks, copies and bugs; it does not protect against forgery. It is 64 bits wide and, without
/// special instructions, several times faster than CRC-32C: the processor overlaps its four lanes of multiplications.
package enum XXH64 {
    private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
    private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
    private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
    private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

    /// The hash of the bytes.
    package static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var index = 0
        var hash = bytes.count < 32 ? prime5 : stripes(of: bytes, index: &index)
        hash &+= UInt64(bytes.count)
        while bytes.count - index >= 8 {
            hash = rotate(hash ^ round(0, word(bytes, index)), 27) &* prime1 &+ prime4
            index += 8
        }
        if bytes.count - index >= 4 {
            let half = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt32.self))
            hash = rotate(hash ^ UInt64(half) &* prime1, 23) &* prime2 &+ prime3
            index += 4
        }
        while index < bytes.count {
            hash = rotate(hash ^ UInt64(bytes[index]) &* prime5, 11) &* prime1
            index += 1
        }
        hash = (hash ^ hash >> 33) &* prime2
        hash = (hash ^ hash >> 29) &* prime3
        return hash ^ hash >> 32
    }

    /// Processes all complete stripes of 32 bytes in four lanes and merges the lanes.
    private static func stripes(of bytes: UnsafeRawBufferPointer, index: inout Int) -> UInt64 {
        var a = prime1 &+ prime2
        var b = prime2
        var c: UInt64 = 0
        var d = 0 &- prime1
        var next = 0
        while bytes.count &- next >= 32 {
            a = round(a, word(bytes, next))
            b = round(b, word(bytes, next &+ 8))
            c = round(c, word(bytes, next &+ 16))
            d = round(d, word(bytes, next &+ 24))
            next &+= 32
        }
        index = next
        var hash = rotate(a, 1) &+ rotate(b, 7) &+ rotate(c, 12) &+ rotate(d, 18)
        for lane in [a, b, c, d] { hash = (hash ^ round(0, lane)) &* prime1 &+ prime4 }
        return hash
    }

    /// The caller has checked that 8 bytes are left.
    @inline(__always)
    private static func word(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
    }

    @inline(__always)
    private static func round(_ lane: UInt64, _ input: UInt64) -> UInt64 {
        rotate(lane &+ input &* prime2, 31) &* prime1
    }

    @inline(__always)
    private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
        value &<< count | value &>> (64 &- count)
    }
}
