/// The stored form of a set: XXH64 of the rest as 8 little-endian bytes, then the set in Roaring's portable format, so
/// that any Roaring library reads it from the ninth byte (in SQL, `substring(added FROM 9)`).
public enum StoredSet {
    /// Bytes of the checksum before the portable form.
    public static let checksumByteCount = 8

    /// Encodes a set with each container in its shortest form: an empty set takes 16 bytes, a million consecutive
    /// numbers 238.
    public static func encode(_ set: MemberSet) -> [UInt8] {
        var bytes = PortableRoaring.encode(set, after: checksumByteCount)
        bytes.withUnsafeMutableBytes { bytes in
            let hash = XXH64.hash(UnsafeRawBufferPointer(rebasing: bytes[checksumByteCount...]))
            bytes.storeBytes(of: hash.littleEndian, as: UInt64.self)
        }
        return bytes
    }

    /// Decodes a stored set, or throws what is wrong with the bytes. Verifies the checksum before it reads anything
    /// else.
    ///
    /// - Parameters:
    ///   - bytes: the complete stored form.
    ///   - chunk: when given, numbers outside of the chunk are refused (see `MemberSet.chunk(of:)`).
    ///   - memoryLimit: the most bytes of memory that the set may take; a larger one is refused before it is built.
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

/// Why bytes are not a stored set.
public enum StoredSetError: Error, Sendable, Equatable {
    /// The bytes end before the set does.
    case truncated
    /// There are bytes after the end of the set.
    case trailingBytes
    /// The checksum does not match.
    case wrongChecksum
    /// The format's cookie is missing.
    case unknownCookie
    /// There are more than 2^16 containers, or a flag for a container that does not exist.
    case wrongContainerCount
    /// A container is not at the offset that the header gives.
    case wrongOffset
    /// Keys, values or runs are not ascending, or runs overlap or leave their container.
    case notAscending
    /// A container's cardinality differs from the header's.
    case wrongCardinality
    /// A number is outside of the requested chunk.
    case outsideChunk
    /// The set would take more memory than allowed.
    case overMemoryLimit
}
