import MusterSets
import Postgres

/// The rows of one statement about a set: head, snapshot, chunks and later changes, all from one point in time.
private struct StoredParts {
    var head: SetVersion?
    var size: Int64 = 0
    var snapshot: SetVersion?
    var snapshotSize: Int64 = 0
    var chunks: [MemberSet] = []
    var changes: [SetChange] = []

    /// - Parameter isWhole: false if only some chunks were read, so that sizes can't be verified.
    func state(of set: SetKey, isWhole: Bool) throws -> SetState? {
        guard let head else { return nil }
        let start = SetState(at: snapshot ?? .none, members: MemberSet(merging: chunks))
        guard !isWhole || start.members.count == snapshotSize else {
            throw DamagedSet(set: set, what: "the snapshot has not as many members as it says")
        }
        guard let state = start.applying(changes.sorted { $0.at.version < $1.at.version }), state.at == head else {
            throw DamagedSet(set: set, what: "the changes since the snapshot don't lead to the head")
        }
        guard !isWhole || state.members.count == size else {
            throw DamagedSet(set: set, what: "the size is not that of the head")
        }
        return state
    }
}

extension WorkspaceTransaction {
    /// Loads the current states of sets from their snapshots and later changes, with one statement. Omits sets that
    /// don't exist.
    ///
    /// Sets without a snapshot are read by a part of their own: under the policies `coalesce` counts as leaky, and
    /// would keep the later changes from being found by the index.
    ///
    /// - Parameter users: if given, the states are correct for these users only, and of snapshots only the chunks with
    ///   them are read.
    borrowing func load(_ numbers: [Int32], onlyFor users: MemberSet? = nil) throws -> [Int32: SetState] {
        var parts: [Int32: StoredParts] = [:]
        var chunks: SQL = ""
        if let users {
            chunks = " AND k.chunk = ANY (\(users.chunks(differingFrom: []).map { Int32(clamping: $0) }))"
        }
        var sql: SQL = """
            SELECT 0, h.set_number, h.version, h.size, h.tag, NULL::bytea, NULL::bytea
            FROM set_head h WHERE h.workspace_id = \(workspace) AND h.set_number = ANY (\(numbers))
            UNION ALL
            SELECT 1, s.set_number, s.version, s.size, s.tag, NULL, NULL
            FROM set_snapshot s WHERE s.workspace_id = \(workspace) AND s.set_number = ANY (\(numbers))
            UNION ALL
            SELECT 2, k.set_number, k.chunk, 0, 0, k.members, NULL
            FROM set_chunk k WHERE k.workspace_id = \(workspace) AND k.set_number = ANY (\(numbers))
            """
        sql += chunks
        sql += """
             UNION ALL
            SELECT 3, c.set_number, c.version, c.previous_tag, c.tag, c.added, c.removed
            FROM set_snapshot s
            JOIN set_change c ON c.workspace_id = \(workspace) AND c.set_number = s.set_number AND c.version > s.version
            WHERE s.workspace_id = \(workspace) AND s.set_number = ANY (\(numbers))
            UNION ALL
            SELECT 3, c.set_number, c.version, c.previous_tag, c.tag, c.added, c.removed
            FROM set_change c
            WHERE c.workspace_id = \(workspace) AND c.set_number = ANY (\(numbers)) AND NOT EXISTS (
                SELECT FROM set_snapshot s WHERE s.workspace_id = \(workspace) AND s.set_number = c.set_number)
            """
        try forEach(sql) { row in
            let number: Int32 = try row.value(1)
            let set = SetKey(workspace: workspace, number: number)
            let at = SetVersion(version: try row.value(2), tag: try row.value(4))
            switch try row.value(0, as: Int32.self) {
            case 0:
                (parts[number, default: .init()].head, parts[number, default: .init()].size) = (at, try row.value(3))
            case 1:
                (parts[number, default: .init()].snapshot, parts[number, default: .init()].snapshotSize) = (
                    at, try row.value(3)
                )
            case 2: parts[number, default: .init()].chunks.append(try row.members(5, of: set))
            default:
                if let change = try row.change(2, of: set, added: 5, removed: 6) {
                    parts[number, default: .init()].changes.append(change)
                }
            }
        }
        return try parts.reduce(into: [:]) { states, part in
            states[part.key] = try part.value.state(
                of: SetKey(workspace: workspace, number: part.key), isWhole: users == nil)
        }
    }
}
