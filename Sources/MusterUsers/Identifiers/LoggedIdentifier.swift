/// An identifier in a log, and the user whom it finds: 20 bytes.
package struct LoggedIdentifier: Equatable, Sendable {
    package let digest: IdentifierDigest
    package let user: UserNumber
    /// Whether the identifier is an external id, primary or deprecated. A user who has one is identified.
    package let isExternalID: Bool

    package init(digest: IdentifierDigest, user: UserNumber, isExternalID: Bool) {
        (self.digest, self.user, self.isExternalID) = (digest, user, isExternalID)
    }

    /// The digest, and a number of 31 bits below the bit of external ids.
    package static let byteCount = IdentifierDigest.byteCount + 4

    /// Reads the 20 bytes at an offset.
    package init(bytes: UnsafeRawBufferPointer, at offset: Int = 0) {
        digest = IdentifierDigest(bytes: bytes, at: offset)
        let number = UInt32(
            bigEndian: bytes.loadUnaligned(fromByteOffset: offset + IdentifierDigest.byteCount, as: UInt32.self))
        user = UserNumber(rawValue: number & ~Self.externalIDBit)
        isExternalID = number & Self.externalIDBit != 0
    }

    /// Appends the 20 bytes.
    package func append(to bytes: inout [UInt8]) {
        digest.append(to: &bytes)
        let number = user.rawValue | (isExternalID ? Self.externalIDBit : 0)
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }

    /// The entries in a column of a log.
    package static func all(in bytes: [UInt8]) -> [LoggedIdentifier] {
        bytes.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count / byteCount * byteCount, by: byteCount).map { Self(bytes: bytes, at: $0) }
        }
    }

    private static let externalIDBit: UInt32 = 1 << 31
}
