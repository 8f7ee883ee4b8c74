import MusterProtocol
import MusterSets
import Postgres

extension Connection {
    /// Makes `state` the snapshot of a set. Only the chunks that differ from `replacing`, the snapshot that is there, are written.
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

extension Store {
    /// Writes the snapshot of a set anew, up to its head. It takes no lock that an import waits for, and may be ended at any
    /// point: until its commit the old snapshot and the changes say the same. No change is deleted.
    /// - Returns: the changes that were folded; 0 where another process is at it.
    @discardableResult
    func fold(_ set: SetKey, deadline: ContinuousClock.Instant) async throws -> Int64 {
        let cache = cache
        return try await transaction(in: set.workspace, deadline: deadline) { connection in
            guard let old = try connection.lockSnapshot(of: set),
                let new = try connection.load([set.number], in: set.workspace)[set.number], new.at != old.at
            else { return 0 }
            try connection.writeSnapshot(of: set, new, replacing: old)
            cache.put(new, for: set)
            return new.at.version - old.at.version
        }
    }

    /// The sets of a workspace whose changes since the snapshot outgrow it: more than 1,000, or more than 64 KiB and half of the snapshot.
    func setsToFold(
        in workspace: WorkspaceID, deadline: ContinuousClock.Instant
    ) async throws -> (due: [SetKey], sets: Int, changesBehind: Int64) {
        try await transaction(in: workspace, deadline: deadline) { connection in
            let behind = try connection.query(
                """
                SELECT h.set_number, h.version, s.version FROM set_head h
                LEFT JOIN set_snapshot s ON s.workspace_id = \(workspace) AND s.set_number = h.set_number
                WHERE h.workspace_id = \(workspace) AND h.kind IN ('everyone', 'cohort')
                """
            ) { row in
                (
                    set: SetKey(workspace: workspace, number: try row.value(0)), head: try row.value(1, as: Int64.self),
                    snapshot: try row.value(2, as: Int64?.self) ?? 0
                )
            }
            let due = try behind.filter { set, head, snapshot in
                guard head - snapshot >= 8 else { return false }
                if head - snapshot > 1_000 { return true }
                let (tail, whole) = try connection.storedBytes(of: set, after: snapshot)
                return tail > max(65_536, whole / 2)
            }.map(\.set)
            return (due, behind.count, behind.reduce(0) { $0 + max(0, $1.head - $1.snapshot) })
        }
    }
}

extension Connection {
    /// Bytes of the changes after a version, and of the snapshot. Lengths are known without reading the bytes.
    fileprivate borrowing func storedBytes(of set: SetKey, after version: Int64) throws -> (tail: Int64, whole: Int64) {
        try first(
            """
            SELECT (SELECT coalesce(sum(octet_length(c.added)), 0) + coalesce(sum(octet_length(c.removed)), 0)
                    FROM set_change c WHERE c.workspace_id = \(set.workspace) AND c.set_number = \(set.number)
                        AND c.version > \(version)),
                (SELECT coalesce(sum(octet_length(k.members)), 0)
                    FROM set_chunk k WHERE k.workspace_id = \(set.workspace) AND k.set_number = \(set.number))
            """
        ) { row in (tail: try row.value(0), whole: try row.value(1)) } ?? (0, 0)
    }
}
