import MusterSets
import Postgres

/// This version of a set is not kept (any more), or never was.
public struct VersionNotKept: Error {}

extension Connection {
    /// The set at an earlier version: from the snapshot forwards, or backwards where the snapshot is newer.
    borrowing func state(of set: SetKey, at version: Int64) throws -> SetState {
        if version == 0 { return .empty }
        var snapshot: SetState = .empty
        var chunks: [MemberSet] = []
        var changes: [SetChange] = []
        try forEach(
            """
            WITH snapshot AS (
                SELECT s.version, s.tag FROM set_snapshot s
                WHERE s.workspace_id = \(set.workspace) AND s.set_number = \(set.number)
            )
            SELECT 1, s.version, 0::int8, s.tag, NULL::bytea, NULL::bytea FROM snapshot s
            UNION ALL
            SELECT 2, 0, 0, 0, k.members, NULL FROM set_chunk k
            WHERE k.workspace_id = \(set.workspace) AND k.set_number = \(set.number)
            UNION ALL
            SELECT 3, c.version, c.previous_tag, c.tag, c.added, c.removed FROM set_change c
            WHERE c.workspace_id = \(set.workspace) AND c.set_number = \(set.number)
                AND c.version > least(\(version), coalesce((SELECT s.version FROM snapshot s), 0))
                AND c.version <= greatest(\(version), coalesce((SELECT s.version FROM snapshot s), 0))
            """
        ) { row in
            switch try row.value(0, as: Int32.self) {
            case 1: snapshot.at = SetVersion(version: try row.value(1), tag: try row.value(3))
            case 2: chunks.append(try row.members(4, of: set))
            default: if let change = try row.change(1, of: set, added: 4, removed: 5) { changes.append(change) }
            }
        }
        snapshot.members = MemberSet(merging: chunks)
        changes.sort { $0.at.version < $1.at.version }
        let state = snapshot.at.version <= version ? snapshot.applying(changes) : snapshot.undoing(changes)
        guard let state, state.at.version == version else { throw VersionNotKept() }
        return state
    }
}
