/// The stored form of a set: XXH64 of the rest as 8 little-endian bytes, then the set in Roaring's portable format, unaltered, so that any
/// Roaring library reads it from the ninth byte (in SQL, `substring(added FROM 9)`).
public enum StoredSet {
    /// Bytes of the checksum in front of the portable form.
    public static let checksumByteCount = 8

    /// The stored form; the shortest of Roaring's containers for each block, so an empty set takes 16 bytes and a million neighbours 238.
    public static func encode(_ set: MemberSet) -> [UInt8] {
        var bytes = PortableRoaring.encode(set, after: checksumByteCount)
        bytes.withUnsafeMutableBytes { bytes in
            let hash = XXH64.hash(UnsafeRawBufferPointer(rebasing: bytes[checksumByteCount...]))
            bytes.storeBytes(of: hash.littleEndian, as: UInt64.self)
        }
        return bytes
    }

    /// The set that was stored, or why these bytes are none. Nothing but the checksum is read before it has been found right.
    ///
    /// - Parameters:
    ///   - bytes: the whole stored form, no more and no less.
    ///   - chunk: when given, numbers outside the chunk are refused (`MemberSet.chunk(of:)`).
    ///   - memoryLimit: bytes of memory that the set may take; a larger one is refused before it is built.
    public static func decode(
        _ bytes: UnsafeRawBufferPointer, chunk: Int? = nil, memoryLimit: Int = .max
    ) throws(StoredSetError) -> MemberSet {
        guard bytes.count >= checksumByteCount else { throw .truncated }
        let portable = UnsafeRawBufferPointer(rebasing: bytes[checksumByteCount...])
        let checksum = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard XXH64.hash(portable) == checksum else { throw .wrongChecksum }
        let set = try PortableRoaring.decode(portable, memoryLimit: memoryLimit)
        if let chunk {
            guard let first = set.keys.first, let last = set.keys.last else { return set }
            guard Int(first >> 4) == chunk, Int(last >> 4) == chunk else { throw .outsideChunk }
        }
        return set
    }
}

/// Why bytes are not a set.
public enum StoredSetError: Error, Sendable, Equatable {
    /// They end before the set does.
    case truncated
    /// They go on after it.
    case trailingBytes
    /// They are not what was stored.
    case wrongChecksum
    /// They don't begin as the format does.
    case unknownCookie
    /// More than 2^16 containers, or the flag of a container that is not there.
    case wrongContainerCount
    /// A container is not where the header of offsets says.
    case wrongOffset
    /// The keys of containers, the values of a list or its runs don't ascend, or runs overlap or leave the container.
    case notAscending
    /// A container has not as many members as its header says.
    case wrongCardinality
    /// A number is not in the chunk asked for.
    case outsideChunk
    /// It would take more memory than allowed.
    case overMemoryLimit
}
