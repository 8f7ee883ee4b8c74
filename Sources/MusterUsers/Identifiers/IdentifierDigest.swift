/// Stands for an identifier of a workspace: a keyed hash of its kind and its bytes.
///
/// A log of digests holds no identifier, and a table of digests in memory takes as little room for a long identifier
/// as for a short one. Two identifiers of one workspace have the same digest less often than a memory error goes
/// unnoticed, and nobody without the key can make two that do.
package struct IdentifierDigest: Hashable, Sendable {
    /// The first eight bytes.
    package let high: UInt64
    /// The last eight bytes.
    package let low: UInt64

    /// A digest of these 128 bits.
    package init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

    /// Bytes of a digest as logs store it.
    package static let byteCount = 16

    /// Reads the 16 bytes at an offset.
    package init(bytes: UnsafeRawBufferPointer, at offset: Int = 0) {
        high = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
    }

    /// The digests in a column of a log.
    package static func all(in bytes: [UInt8]) -> [IdentifierDigest] {
        bytes.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count / byteCount * byteCount, by: byteCount).map { Self(bytes: bytes, at: $0) }
        }
    }

    /// Appends the 16 bytes.
    package func append(to bytes: inout [UInt8]) {
        withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { bytes.append(contentsOf: $0) }
    }
}
