package import MusterProtocol

/// The secret of a workspace with which identifiers are hashed: SipHash-2-4 with 128 bits of output.
///
/// The hashed bytes are one for the kind (1 external id, 2 alias, 3 device); for an alias two for the length of its
/// label, highest first, and the label; then the identifier. So no two identifiers of a workspace have the same bytes.
package struct IdentifierDigestKey: Sendable {
    private let start: SipHash

    /// Bytes of a key.
    package static let byteCount = 16

    /// The key of these bytes; nil unless there are 16.
    package init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        start = bytes.withUnsafeBytes { SipHash(key: $0) }
    }

    /// The digest of an external id, deprecated ones included.
    package func digest(externalID: UnsafeRawBufferPointer) -> IdentifierDigest { digest(kind: 1, externalID) }

    /// The digest of a device id.
    package func digest(deviceID: UnsafeRawBufferPointer) -> IdentifierDigest { digest(kind: 3, deviceID) }

    /// The digest of an alias.
    package func digest(aliasLabel label: UnsafeRawBufferPointer, name: UnsafeRawBufferPointer) -> IdentifierDigest {
        var hash = start
        let length = UInt16(clamping: label.count)
        hash.append(byte: 2)
        hash.append(byte: UInt8(length >> 8))
        hash.append(byte: UInt8(truncatingIfNeeded: length))
        hash.append(label)
        hash.append(name)
        return hash.digest()
    }

    /// The digest of what a reference names; nil if it names users by something that only the database resolves.
    package func digest(of reference: UserReference) -> IdentifierDigest? {
        switch reference {
        case .externalID(let id): id.bytes.withUnsafeBytes { digest(externalID: $0) }
        case .deviceID(let id): id.bytes.withUnsafeBytes { digest(deviceID: $0) }
        case .alias(let alias):
            alias.label.bytes.withUnsafeBytes { label in
                alias.name.bytes.withUnsafeBytes { digest(aliasLabel: label, name: $0) }
            }
        case .brazeID, .email, .phone: nil
        }
    }

    private func digest(kind: UInt8, _ identifier: UnsafeRawBufferPointer) -> IdentifierDigest {
        var hash = start
        hash.append(byte: kind)
        hash.append(identifier)
        return hash.digest()
    }
}
