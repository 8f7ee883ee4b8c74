public import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// The erasures of users of a workspace, beside the database.
public struct ErasureStore: ScopedStore {
    let store: Store
    let scope: WorkspaceScope

    /// Puts into the journal what was erased and is not in it yet, whoever erased it: also a server that ended between
    /// its COMMIT and its line. Only then are erasures acknowledged. Throws `NotJournalled`.
    ///
    /// - Parameter moment: what was erased since is left to those who erased it, who are at it.
    /// - Returns: the registrations.
    @discardableResult
    func journal(before moment: Instant? = nil) async throws -> Int {
        guard let journal = store.journal else { return 0 }
        var count = 0
        while true {
            let lines = try await erasuresToJournal(before: moment)
            guard !lines.isEmpty else { return count }
            await failpoints.reach(.erasureCommitted)
            try await journal.append(lines, deadline: scope.deadline)
            count += lines.count
            let written = lines.map(\.brazeID)
            // A row that stays is written a second time, which says nothing else.
            try await transaction { transaction in
                try transaction.execute(
                    """
                    DELETE FROM erasure_to_journal WHERE workspace_id = \(workspace) AND braze_id = ANY (\(written))
                    """)
            }
        }
    }

    private func erasuresToJournal(before moment: Instant?) async throws -> [JournalLine] {
        try await read(
            """
            SELECT braze_id, erased_at FROM erasure_to_journal
            WHERE workspace_id = \(workspace) AND (\(moment)::timestamptz IS NULL OR erased_at < \(moment))
            ORDER BY braze_id LIMIT 10000
            """
        ) { row in JournalLine(workspace: workspace, brazeID: try row.value(0), erasedAt: try row.value(1)) }
    }

    /// Erases the registrations that a journal names, as `deleteUsers` does, without writing them into a journal again.
    /// For the owner, after a restore and before servers start.
    ///
    /// - Returns: how many were there.
    public func apply(_ registrations: Set<Identifier>) async throws -> Int {
        guard try await store.maintenance.workspaceIDs().contains(workspace) else { return 0 }
        let (all, cache) = (registrations.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }, cache)
        var count = 0
        for start in stride(from: 0, to: all.count, by: Limits.deleteUsers.value) {
            let some = all[start..<min(start + Limits.deleteUsers.value, all.count)].map(UserReference.brazeID)
            count += try await transaction { transaction in
                // Nobody waits for a lock, and no version is given out, for what has gone already.
                guard try transaction.find(some).contains(where: { $0 != nil }) else { return 0 }
                let everyone = try transaction.takeIdentity()
                let numbers = Set(try transaction.find(some).compactMap(\.self)).sorted()
                _ = try transaction.erase(numbers, under: everyone, cache: cache)
                return numbers.count
            }
        }
        if count > 0 { forgetWhatWasRead() }
        return count
    }
}

extension WorkspaceStore {
    /// The erasures of users of the workspace, beside the database.
    public var erasures: ErasureStore { ErasureStore(store: store, scope: scope) }
}

extension WorkspaceTransaction {
    /// Notes for the journal that these users are erased in this transaction, with the registrations that were merged
    /// into them: a backup of before a merge has those as users of their own.
    borrowing func noteErasures(of numbers: [UserNumber], at now: Instant) throws {
        try execute(
            """
            INSERT INTO erasure_to_journal (workspace_id, braze_id, erased_at)
            SELECT u.workspace_id, u.braze_id, \(now)::timestamptz FROM registered_user u
            WHERE u.workspace_id = \(workspace) AND u.user_number = ANY (\(numbers))
            UNION
            SELECT m.workspace_id, m.braze_id, \(now)::timestamptz FROM merged_user m
            WHERE m.workspace_id = \(workspace) AND m.kept_number = ANY (\(numbers)) AND m.braze_id IS NOT NULL
            ON CONFLICT DO NOTHING
            """)
    }
}
