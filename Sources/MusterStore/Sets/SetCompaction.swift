import MusterProtocol
import MusterSets
import Postgres

extension WorkspaceTransaction {
    /// Makes `state` the snapshot of a set. Only the chunks that differ from `replacing`, the snapshot that is there,
    /// are written.
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

    /// The snapshot of a set as it stands, locked against other folds; nil where another one holds it.
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
    /// Adds to the snapshot the bytes of the changes that it has taken in. Lengths are known without reading the bytes.
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
    /// Writes the snapshot of a set anew, up to its head. It takes no lock that an import waits for, and may be ended
    /// at any point: until its commit the old snapshot and the changes say the same. No change is deleted.
    /// - Returns: the changes that were folded; 0 where another process is at it.
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

    /// A page of a workspace's sets by number, those after `last`, with those whose changes since the snapshot outgrow
    /// it: more than 1,000, or more than 64 KiB and half of the snapshot. One statement, which looks at no change; nil
    /// after the last page.
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

/// Some of a workspace's sets, as the search for those to fold found them.
struct CompactionPage: Sendable {
    /// Sets in one statement: some 50 ms.
    static let max: Int64 = 10_000

    let last: Int32
    let sets: Int
    let changesBehind: Int64
    let due: [SetKey]
}
