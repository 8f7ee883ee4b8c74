import Locking
import MusterProtocol
import MusterUsers
import Postgres

/// The keys with which workspaces' identifiers are hashed, as far as they were read. A key never changes.
final class IdentifierDigestKeys: Sendable {
    private let known = Locked<[WorkspaceID: IdentifierDigestKey]>([:])

    /// The key of the transaction's workspace: from memory, or by one statement.
    func key(_ transaction: borrowing WorkspaceTransaction) throws -> IdentifierDigestKey {
        let workspace = transaction.workspace
        if let key = known.withLock({ $0[workspace] }) { return key }
        guard let key = try transaction.identifierDigestKey() else { throw UnfinishedWorkspace() }
        known.withLock { $0[workspace] = key }
        return key
    }
}

/// Records which identifiers found another user at each of the newest versions of the head of identifiers.
enum IdentifierLog {
    /// How long a change is kept: the digests of an erased user are gone a day and one maintenance pass later.
    static let kept = Duration.seconds(86_400)
    /// The bytes of changes that are kept: for a sixteenth of all users, where `e` is the head of everyone, but for
    /// 10,000 identifiers at least. Whoever lacks more loads all identifiers sooner than it applies the changes.
    static let maxBytes: StaticString = "greatest(10000, e.size / 16) * 20"
}

extension WorkspaceTransaction {
    /// The key with which the workspace's identifiers are hashed; nil if its row is missing.
    borrowing func identifierDigestKey() throws -> IdentifierDigestKey? {
        try first("SELECT key FROM identifier_digest_key WHERE workspace_id = \(workspace)") { row in
            try row.value(0, as: [UInt8].self)
        }.flatMap(IdentifierDigestKey.init(bytes:))
    }

    /// Raises the head of identifiers and records the changes. Every writer holds the head of everyone, so this one's
    /// lock is never waited for; it comes after those of attributes and events, and before those of cohorts.
    borrowing func raiseIdentifiers(
        _ changes: IdentifierChanges, under everyone: LockedHead?, keys: IdentifierDigestKeys
    ) throws {
        guard !changes.isEmpty else { return }
        guard everyone?.set == .everyone(of: workspace) else { throw UnfinishedWorkspace() }
        let key = try keys.key(self)
        let (come, gone) = (changes.comeBytes(key), changes.goneBytes(key))
        let bytes = Int64(come.count + gone.count)
        try execute(
            """
            WITH old AS (
                SELECT version, tag, log_bytes FROM set_head
                WHERE workspace_id = \(workspace) AND set_number = \(SetKey.identifiers)
            ), raised AS (
                UPDATE set_head SET version = version + 1, tag = \(SetVersion.newTag()), log_bytes = log_bytes + \(bytes)
                WHERE workspace_id = \(workspace) AND set_number = \(SetKey.identifiers)
            )
            INSERT INTO identifier_change (workspace_id, version, previous_tag, come, gone, log_bytes, changed_at)
            SELECT \(workspace), version + 1, tag, \(come), \(gone), log_bytes + \(bytes), \(Instant.now) FROM old
            RETURNING 1
            """)
    }

    /// Deletes changes that are too old or too many, without a limit per pass: a busy workspace makes thousands between
    /// two passes. Deletes from the start of the log only, and reads no more of it than it deletes.
    borrowing func pruneIdentifierChanges(before time: Instant) throws -> Int {
        try query(
            """
            DELETE FROM identifier_change WHERE workspace_id = \(workspace) AND version < coalesce((
                SELECT x.version FROM identifier_change x
                WHERE x.workspace_id = \(workspace) AND x.changed_at >= \(time) AND x.log_bytes > (
                    SELECT h.log_bytes - \(raw: IdentifierLog.maxBytes) FROM set_head h, set_head e
                    WHERE h.workspace_id = \(workspace) AND h.set_number = \(SetKey.identifiers)
                        AND e.workspace_id = \(workspace) AND e.set_number = \(SetKey.everyone))
                ORDER BY x.version LIMIT 1), \(Int64.max))
            RETURNING 1
            """
        ) { row in try row.value(0, as: Int32.self) }.count
    }
}
