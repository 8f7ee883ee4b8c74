import MusterProtocol
import MusterSets
import Postgres

extension WorkspaceTransaction {
    /// Stores `state` as the snapshot of a set. Writes only the chunks that differ from `old`, the stored snapshot.
    borrowing func writeSnapshot(of set: SetKey, _ state: SetState, replacing old: SetState?) throws {
        if old == nil {
            try execute(
                """
                INSERT INTO set_snapshot (workspace_id, set_number, version, tag, size)
                VALUES (\(set.workspace), \(set.number), \(state.at.version), \(state.at.tag), \(Int64(state.members.count)))
                """)
        } else {
            try execute(
                """
                UPDATE set_snapshot SET version = \(state.at.version), tag = \(state.at.tag), size = \(Int64(state.members.count))
                WHERE workspace_id = \(set.workspace) AND set_number = \(set.number)
                """)
        }
        for chunk in state.members.chunks(differingFrom: old?.members ?? []) {
            if let stored = state.members.members(inChunk: chunk).stored {
                try execute(
                    """
                    INSERT INTO set_chunk (workspace_id, set_number, chunk, members)
                    VALUES (\(set.workspace), \(set.number), \(Int32(clamping: chunk)), \(stored))
                    ON CONFLICT ON CONSTRAINT set_chunk_pkey DO UPDATE SET members = excluded.members
                    """)
            } else {
                try execute(
                    """
                    DELETE FROM set_chunk
                    WHERE workspace_id = \(set.workspace) AND set_number = \(set.number) AND chunk = \(Int32(clamping: chunk))
                    """)
            }
        }
    }

    /// The stored snapshot of a set, locked against other compactions; nil if another one holds the lock.
    fileprivate borrowing func lockSnapshot(of set: SetKey) throws -> SetState? {
        try execute(
            """
            INSERT INTO set_snapshot (workspace_id, set_number, version, tag, size)
            SELECT h.workspace_id, h.set_number, 0, 0, 0 FROM set_head h
            WHERE h.workspace_id = \(set.workspace) AND h.set_number = \(set.number)
            ON CONFLICT ON CONSTRAINT set_snapshot_pkey DO NOTHING
            """)
        let at = try first(
            """
            SELECT version, tag FROM set_snapshot
            WHERE workspace_id = \(set.workspace) AND set_number = \(set.number) FOR UPDATE SKIP LOCKED
            """
        ) { row in SetVersion(version: try row.value(0), tag: try row.value(1)) }
        guard let at else { return nil }
        let chunks = try query(
            "SELECT members FROM set_chunk WHERE workspace_id = \(set.workspace) AND set_number = \(set.number)"
        ) { row in try row.members(0, of: set) }
        return SetState(at: at, members: MemberSet(merging: chunks))
    }
}

extension WorkspaceTransaction {
    /// Adds the bytes of the compacted changes to the snapshot's count. PostgreSQL knows their lengths without reading
    /// them.
    fileprivate borrowing func countCompacted(of set: SetKey, after old: Int64, through new: Int64) throws {
        try execute(
            """
            UPDATE set_snapshot SET log_bytes = log_bytes + (
                SELECT coalesce(sum(coalesce(octet_length(c.added), 0) + coalesce(octet_length(c.removed), 0)), 0)
                FROM set_change c WHERE c.workspace_id = \(set.workspace) AND c.set_number = \(set.number)
                    AND c.version > \(old) AND c.version <= \(new))
            WHERE workspace_id = \(set.workspace) AND set_number = \(set.number)
            """)
    }
}

extension WorkspaceMaintenance {
    /// Rewrites the snapshot of a set, up to its head. Takes no lock that an import waits for. May be cancelled at any
    /// point: until the commit, the old snapshot and the changes give the same state. Deletes no change.
    ///
    /// - Returns: the number of changes that were compacted; 0 if another process is compacting the set.
    @discardableResult
    func compact(_ set: SetKey) async throws -> Int64 {
        let cache = cache
        return try await transaction { transaction in
            guard let old = try transaction.lockSnapshot(of: set),
                let new = try transaction.load([set.number])[set.number], new.at != old.at
            else { return 0 }
            try transaction.writeSnapshot(of: set, new, replacing: old)
            try transaction.countCompacted(of: set, after: old.at.version, through: new.at.version)
            cache.put(new, for: set)
            return new.at.version - old.at.version
        }
    }

    /// A page of a workspace's sets after `last`, by number, with those due for compaction: more than 1,000 changes
    /// since the snapshot, or more than 64 KiB of changes and half of the snapshot. One statement, which reads no
    /// change. Nil after the last page.
    func setsToCompact(after last: Int32) async throws -> CompactionPage? {
        let rows = try await read(
            """
            SELECT h.set_number, h.version - coalesce(s.version, 0),
                h.version - coalesce(s.version, 0) >= 8 AND (h.version - coalesce(s.version, 0) > 1000
                    OR CASE WHEN h.log_bytes - coalesce(s.log_bytes, 0) > 65536 THEN
                        h.log_bytes - coalesce(s.log_bytes, 0) > (
                            SELECT coalesce(sum(octet_length(k.members)), 0) / 2 FROM set_chunk k
                            WHERE k.workspace_id = \(workspace) AND k.set_number = h.set_number)
                        ELSE false END)
            FROM set_head h
            LEFT JOIN LATERAL (
                SELECT x.version, x.log_bytes FROM set_snapshot x
                WHERE x.workspace_id = \(workspace) AND x.set_number = h.set_number LIMIT 1
            ) s ON true
            WHERE h.workspace_id = \(workspace) AND h.set_number > \(last) AND h.kind IN ('everyone', 'cohort')
            ORDER BY h.set_number LIMIT \(CompactionPage.max)
            """
        ) { row in
            (
                set: SetKey(workspace: workspace, number: try row.value(0)), behind: try row.value(1, as: Int64.self),
                isDue: try row.value(2, as: Bool.self)
            )
        }
        guard let end = rows.last?.set.number else { return nil }
        return CompactionPage(
            last: end, sets: rows.count, changesBehind: rows.reduce(0) { $0 + max(0, $1.behind) },
            due: rows.filter(\.isDue).map(\.set))
    }
}

/// A page of a workspace's sets, with those due for compaction.
struct CompactionPage: Sendable {
    /// Sets per statement, which takes about 50 ms.
    static let max: Int64 = 10_000

    let last: Int32
    let sets: Int
    let changesBehind: Int64
    let due: [SetKey]
}
