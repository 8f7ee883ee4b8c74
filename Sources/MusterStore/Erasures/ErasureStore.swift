public import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// The erasures of users of a workspace, outside of the database.
public struct ErasureStore: ScopedStore {
    let store: Store
    let scope: WorkspaceScope

    /// Writes all committed erasures that the journal lacks, including those of a server that ended between COMMIT and
    /// its line. Erasures are acknowledged only after this. Throws `NotJournalled`.
    ///
    /// - Parameter moment: later erasures are left to the servers that are still writing them.
    /// - Returns: the number of registrations.
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
            // A row that is left over leads to a duplicate line, which is harmless.
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

    /// Erases the registrations in a journal, as `deleteUsers` does, without writing them to a journal again. For the
    /// database owner, after a restore and before servers start.
    ///
    /// - Returns: how many of them existed.
    public func apply(_ registrations: Set<Identifier>) async throws -> Int {
        guard try await store.maintenance.workspaceIDs().contains(workspace) else { return 0 }
        let all = registrations.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        let (cache, keys) = (cache, store.digestKeys)
        var count = 0
        for start in stride(from: 0, to: all.count, by: Limits.deleteUsers.value) {
            let some = all[start..<min(start + Limits.deleteUsers.value, all.count)].map(UserReference.brazeID)
            count += try await transaction { transaction in
                // Skips the locks and the new version if all of them are erased already.
                guard try transaction.find(some).contains(where: { $0 != nil }) else { return 0 }
                let everyone = try transaction.takeIdentity()
                let numbers = Set(try transaction.find(some).compactMap(\.self)).sorted()
                _ = try transaction.erase(numbers, under: everyone, cache: cache, keys: keys)
                return numbers.count
            }
        }
        if count > 0 { forgetWhatWasRead() }
        return count
    }
}

extension WorkspaceStore {
    /// The erasures of users of the workspace, outside of the database.
    public var erasures: ErasureStore { ErasureStore(store: store, scope: scope) }
}

extension WorkspaceTransaction {
    /// Records for the journal that this transaction erases these users, with the registrations merged into them: in a
    /// backup from before a merge, those are users of their own.
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
