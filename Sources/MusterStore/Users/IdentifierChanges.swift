import MusterProtocol
import MusterUsers

/// The identifiers that find another user, or nobody any more, after a transaction.
struct IdentifierChanges: Sendable {
    /// Each with the user whom it finds now.
    private var come: [(identifier: UserReference, user: UserNumber)] = []
    /// They find nobody any more.
    private var gone: [UserReference] = []

    var isEmpty: Bool { come.isEmpty && gone.isEmpty }

    /// Notes whom an identifier finds now; nil: nobody any more.
    mutating func note(_ identifier: UserReference, finds user: UserNumber?) {
        if let user { come.append((identifier, user)) } else { gone.append(identifier) }
    }

    /// The entries of those that come.
    func comeBytes(_ key: IdentifierDigestKey) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(come.count * LoggedIdentifier.byteCount)
        for (identifier, user) in come {
            guard let digest = key.digest(of: identifier) else { continue }
            LoggedIdentifier(digest: digest, user: user, isExternalID: identifier.isExternalID).append(to: &bytes)
        }
        return bytes
    }

    /// The digests of those that go.
    func goneBytes(_ key: IdentifierDigestKey) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(gone.count * IdentifierDigest.byteCount)
        for identifier in gone { key.digest(of: identifier)?.append(to: &bytes) }
        return bytes
    }
}

extension IdentifierChanges {
    /// The identifiers of users who are erased.
    init(erasing held: [HeldIdentifier]) {
        for held in held { note(held.identifier, finds: nil) }
    }

    /// The identifiers of a user who is merged into another one. Devices find the kept user, and so do aliases under
    /// labels that the kept user has no name for; the others go.
    init(merging merged: UserNumber, into kept: UserNumber, _ held: [HeldIdentifier]) {
        let labels = Set(held.filter { $0.user == kept }.compactMap(\.identifier.aliasLabel))
        for identifier in held.filter({ $0.user == merged }).map(\.identifier) {
            let goes = identifier.isExternalID || identifier.aliasLabel.map(labels.contains) == true
            note(identifier, finds: goes ? nil : kept)
        }
    }
}
