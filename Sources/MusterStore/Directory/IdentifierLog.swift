import MusterUsers
import Postgres

extension WorkspaceTransaction {
    /// Brings a directory to `head`, the version of the head of identifiers in this transaction's snapshot (REPEATABLE
    /// READ), by the rows of the log since its version.
    ///
    /// Returns false if the log doesn't reach back to there, or if `head` is of another history: the directory must be
    /// dropped and loaded anew. A directory ahead of `head` is of another history too, so a workspace has one refresh at
    /// a time.
    borrowing func refresh(_ directory: IdentityDirectory, to head: SetVersion) throws -> Bool {
        let start = directory.version
        if start == head { return true }
        guard start.version < head.version else { return false }
        let changes = try identifierChanges(after: start.version, upTo: head.version)
        return directory.apply(changes, from: start, to: head)
    }

    /// The rows of the log of identifiers in a range of versions, in order.
    borrowing func identifierChanges(after start: Int64, upTo end: Int64) throws -> [IdentifierChange] {
        try query(
            """
            SELECT version, previous_tag, gone, come FROM identifier_change
            WHERE workspace_id = \(workspace) AND version > \(start) AND version <= \(end) ORDER BY version
            """
        ) { row in
            IdentifierChange(
                version: try row.value(0), previousTag: try row.value(1),
                gone: try row.withBytes(2) { try IdentifierDigest.list($0) },
                come: try row.withBytes(3) { try IdentifierEntry.list($0) })
        }
    }
}

extension IdentifierDigest {
    /// Digests as the log has them, one after the other.
    fileprivate static func list(_ bytes: UnsafeRawBufferPointer?) throws -> [IdentifierDigest] {
        let bytes = bytes ?? UnsafeRawBufferPointer(start: nil, count: 0)
        guard bytes.count.isMultiple(of: byteCount) else { throw PostgresError.damagedIdentifierLog }
        return stride(from: 0, to: bytes.count, by: byteCount).map { IdentifierDigest(bytes: bytes, at: $0) }
    }
}

extension IdentifierEntry {
    /// A digest, and four bytes with the number of the user, highest first; the top bit says that it is an external id.
    private static let byteCount = IdentifierDigest.byteCount + 4

    fileprivate static func list(_ bytes: UnsafeRawBufferPointer?) throws -> [IdentifierEntry] {
        let bytes = bytes ?? UnsafeRawBufferPointer(start: nil, count: 0)
        guard bytes.count.isMultiple(of: byteCount) else { throw PostgresError.damagedIdentifierLog }
        return try stride(from: 0, to: bytes.count, by: byteCount).map { offset in
            let word = UInt32(
                bigEndian: bytes.loadUnaligned(fromByteOffset: offset + IdentifierDigest.byteCount, as: UInt32.self))
            let user = UserNumber(rawValue: word & ~(1 << 31))
            guard let found = FoundIdentifier(user, isExternalID: word >> 31 == 1) else {
                throw PostgresError.damagedIdentifierLog
            }
            return IdentifierEntry(digest: IdentifierDigest(bytes: bytes, at: offset), found: found)
        }
    }
}

extension PostgresError {
    fileprivate static var damagedIdentifierLog: PostgresError {
        PostgresError(.decoding, "a row of the log of identifiers is damaged")
    }
}
