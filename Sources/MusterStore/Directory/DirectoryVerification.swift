import MusterProtocol
import MusterUsers
import Postgres

/// Compares a directory with look-ups by SQL, in a transaction whose statements all see the same state.
///
/// Every identifier of the tables must find the same user both ways, and the directory must have no other identifiers.
struct DirectoryVerification: Sendable {
    private static let usersPerRange: UInt32 = 8_192

    private(set) var identifiers = 0
    private(set) var problems: [String] = []

    /// Loads the directory of a workspace anew, and compares it.
    ///
    /// - Parameter kept: the bits of digests that it keeps; fewer in tests.
    init(kept: FingerprintBits = .all, _ transaction: borrowing WorkspaceTransaction) throws {
        let start = try transaction.directoryStart()
        let directory = IdentityDirectory(at: start.head, kept: kept)
        let key = try start.key
        for range in start.ranges(of: Self.usersPerRange) {
            directory.enter(try transaction.directoryEntries(of: range, key: key))
        }
        try self.init(directory, start, transaction)
    }

    /// Compares a directory at the version of this transaction's snapshot.
    init(_ directory: IdentityDirectory, _ start: DirectoryStart, _ transaction: borrowing WorkspaceTransaction) throws
    {
        guard directory.version == start.head else {
            problems.append("the identity directory is of another version than the head of identifiers")
            return
        }
        let key = try start.key
        for range in start.ranges(of: Self.usersPerRange) {
            try compareRows(of: range, key, directory, start.head, transaction)
        }
        if directory.count != identifiers {
            problems.append("the identity directory has \(directory.count) identifiers, the tables \(identifiers)")
        }
    }

    /// The rows of a range, resolved by the directory and by the statements that resolve identifiers without one.
    private mutating func compareRows(
        of range: Range<UInt32>, _ key: IdentifierDigestKey, _ directory: IdentityDirectory, _ head: SetVersion,
        _ transaction: borrowing WorkspaceTransaction
    ) throws {
        var rows = IdentifierRows()
        try transaction.readIdentifiers(of: range) { identifier, user in rows.append(identifier, of: user, key) }
        guard let users = directory.users(of: rows.digests, at: head),
            let identified = directory.areIdentified(rows.users, at: head)
        else { return }
        var found = [UserNumber?](repeating: nil, count: rows.users.count)
        try transaction.find(rows.lookup) { found[$0] = $1 }
        var differing = rows.users.indices.count { users[$0] != found[$0] || users[$0] != rows.users[$0] }
        try transaction.forEach(rows.devices.usersByDeviceWithAnonymity(in: transaction.workspace)) { row in
            let isAnonymous: Bool = try row.value(2)
            if identified[Int(try row.value(0, as: Int32.self))] == isAnonymous { differing += 1 }
        }
        identifiers += rows.users.count
        if differing > 0 {
            problems.append("users \(range): \(differing) identifiers find other users in the identity directory")
        }
    }
}

/// Identifiers of the tables, with their users, as the directory and as SQL look them up.
private struct IdentifierRows {
    var users: [UserNumber] = []
    var digests: [IdentifierDigest] = []
    /// All of them.
    var lookup = UserLookup()
    /// The devices among them, with the same ordinals.
    var devices = UserLookup()

    mutating func append(_ identifier: StoredIdentifier, of user: UserNumber, _ key: IdentifierDigestKey) {
        let ordinal = Int32(truncatingIfNeeded: users.count)
        users.append(user)
        digests.append(identifier.digest(key))
        switch identifier {
        case .externalID(let id): lookup.externalIDs.append(Identifier(bytes: id), ordinal)
        case .alias(let label, let name):
            lookup.append(Alias(label: Identifier(bytes: label), name: Identifier(bytes: name)), ordinal)
        case .device(let id):
            lookup.devices.append(Identifier(bytes: id), ordinal)
            devices.devices.append(Identifier(bytes: id), ordinal)
        }
    }
}
