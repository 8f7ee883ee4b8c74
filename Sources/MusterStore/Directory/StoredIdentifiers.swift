import MusterProtocol
import MusterUsers
import Postgres

/// An identifier in a row of the tables, in libpq's memory.
enum StoredIdentifier {
    case externalID(UnsafeRawBufferPointer)
    case alias(label: UnsafeRawBufferPointer, name: UnsafeRawBufferPointer)
    case device(UnsafeRawBufferPointer)

    var isExternalID: Bool { if case .externalID = self { true } else { false } }

    func digest(_ key: IdentifierDigestKey) -> IdentifierDigest {
        switch self {
        case .externalID(let id): key.digest(externalID: id)
        case .alias(let label, let name): key.digest(aliasLabel: label, name: name)
        case .device(let id): key.digest(deviceID: id)
        }
    }
}

/// What a directory of a workspace starts from.
struct DirectoryStart: Sendable {
    /// The head of identifiers.
    let head: SetVersion
    let users: Int
    /// The number after the greatest user number.
    let end: UInt32
    let keyBytes: [UInt8]

    /// All user numbers, in ranges of this many.
    func ranges(of count: UInt32) -> [Range<UInt32>] {
        stride(from: 0, to: end, by: Int(count)).map { $0..<min($0 + count, end) }
    }

    /// The key of the workspace's digests.
    var key: IdentifierDigestKey {
        get throws {
            guard let key = IdentifierDigestKey(bytes: keyBytes) else {
                throw PostgresError(.decoding, "the key of the digests is damaged")
            }
            return key
        }
    }
}

extension WorkspaceTransaction {
    /// The head of identifiers, the number of users, and the key of the digests.
    borrowing func directoryStart() throws -> DirectoryStart {
        let start = try first(
            """
            SELECT h.version, h.tag, e.size, e.next_user_number, k.key
            FROM set_head h
            JOIN set_head e ON e.workspace_id = \(workspace) AND e.set_number = \(SetKey.everyone)
            JOIN identifier_digest_key k ON k.workspace_id = \(workspace)
            WHERE h.workspace_id = \(workspace) AND h.set_number = \(SetKey.identifiers)
            """
        ) { row in
            DirectoryStart(
                head: SetVersion(version: try row.value(0), tag: try row.value(1)),
                users: Int(try row.value(2, as: Int64.self)),
                end: try row.value(3, as: UserNumber?.self)?.rawValue ?? 0, keyBytes: try row.value(4))
        }
        guard let start else { throw UnfinishedWorkspace() }
        return start
    }

    /// The version of the head of identifiers.
    borrowing func identifiersHead() throws -> SetVersion {
        let head = try first(
            """
            SELECT version, tag FROM set_head
            WHERE workspace_id = \(workspace) AND set_number = \(SetKey.identifiers)
            """
        ) { row in SetVersion(version: try row.value(0), tag: try row.value(1)) }
        guard let head else { throw UnfinishedWorkspace() }
        return head
    }

    /// Passes each identifier of the users in a range of numbers to `body`, and its user.
    borrowing func readIdentifiers(
        of range: Range<UInt32>, _ body: (StoredIdentifier, UserNumber) throws -> Void
    ) throws {
        let (start, end) = (UserNumber(rawValue: range.lowerBound), UserNumber(rawValue: range.upperBound))
        let users: SQL = "workspace_id = \(workspace) AND user_number >= \(start) AND user_number < \(end)"
        for (sql, make) in [
            (
                "SELECT user_number, external_id FROM registered_user WHERE \(users) AND external_id IS NOT NULL",
                StoredIdentifier.externalID
            ),
            ("SELECT user_number, external_id FROM deprecated_external_id WHERE \(users)", StoredIdentifier.externalID),
            ("SELECT user_number, device_id FROM user_device WHERE \(users)", StoredIdentifier.device),
        ] as [(SQL, (UnsafeRawBufferPointer) -> StoredIdentifier)] {
            try forEach(sql) { row in
                let user: UserNumber = try row.value(0)
                try row.withIdentifier(1) { try body(make($0), user) }
            }
        }
        try forEach("SELECT user_number, alias_label, alias_name FROM user_alias WHERE \(users)") { row in
            let user: UserNumber = try row.value(0)
            try row.withIdentifier(1) { label in
                try row.withIdentifier(2) { name in try body(.alias(label: label, name: name), user) }
            }
        }
    }

    /// The entries of a directory for the users in a range of numbers.
    borrowing func directoryEntries(of range: Range<UInt32>, key: IdentifierDigestKey) throws -> [LoggedIdentifier] {
        var entries: [LoggedIdentifier] = []
        entries.reserveCapacity(range.count)
        try readIdentifiers(of: range) { identifier, user in
            entries.append(
                LoggedIdentifier(digest: identifier.digest(key), user: user, isExternalID: identifier.isExternalID))
        }
        return entries
    }
}

extension Row {
    /// The bytes of an identifier's column, which is never NULL.
    fileprivate borrowing func withIdentifier(_ column: Int, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        try withBytes(column) { bytes in
            guard let bytes else { throw PostgresError(.decoding, "NULL where an identifier was asked for") }
            try body(bytes)
        }
    }
}
