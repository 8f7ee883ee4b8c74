import MusterSets
import Postgres

/// This version of a set is no longer stored, or never existed.
public struct VersionNotKept: Error {
    /// The field of the request that names the version, if any.
    public var field: String?

    /// - Parameter field: the field of the request that names the version.
    public init(field: String? = nil) { self.field = field }

    /// Runs `body`. Adds `field` to a `VersionNotKept` that it throws, unless the error names a field already.
    public static func naming<R>(_ field: String, _ body: () async throws -> R) async throws -> R {
        do { return try await body() } catch let error as VersionNotKept {
            throw VersionNotKept(field: error.field ?? field)
        }
    }
}

/// The rows from which one statement rebuilds an earlier version of a set: head, snapshot, chunks, and the changes
/// between.
private struct HistoryParts {
    var head: SetVersion?
    var headSize: Int64 = 0
    var snapshot = SetState.empty
    var snapshotSize: Int64 = 0
    var chunks: [MemberSet] = []
    var changes: [SetChange] = []

    func state(of set: SetKey, at version: Int64) throws -> SetState {
        guard let head, 0...head.version ~= version else { throw VersionNotKept() }
        let start = SetState(at: snapshot.at, members: MemberSet(merging: chunks))
        guard start.members.count == snapshotSize else {
            throw DamagedSet(set: set, what: "the snapshot has not as many members as it says")
        }
        let changes = changes.sorted { $0.at.version < $1.at.version }
        let state = start.at.version <= version ? start.applying(changes) : start.undoing(changes)
        guard let state, state.at.version == version else {
            // Retention may have deleted changes before the snapshot. All changes after it must exist.
            if version < start.at.version { throw VersionNotKept() }
            throw DamagedSet(set: set, what: "the changes since the snapshot don't lead to version \(version)")
        }
        guard version < head.version || (state.at == head && state.members.count == headSize) else {
            throw DamagedSet(set: set, what: "the set differs from its head")
        }
        return state
    }
}

extension WorkspaceTransaction {
    /// The set at an earlier version: forwards from the snapshot, or backwards if the snapshot is newer.
    borrowing func state(of set: SetKey, at version: Int64) throws -> SetState {
        var parts = HistoryParts()
        try forEach(
            """
            WITH snapshot AS (
                SELECT s.version, s.tag, s.size FROM set_snapshot s
                WHERE s.workspace_id = \(set.workspace) AND s.set_number = \(set.number)
            )
            SELECT 0, h.version, h.size, h.tag, NULL::bytea, NULL::bytea FROM set_head h
            WHERE h.workspace_id = \(set.workspace) AND h.set_number = \(set.number)
            UNION ALL
            SELECT 1, s.version, s.size, s.tag, NULL, NULL FROM snapshot s
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
            let at = SetVersion(version: try row.value(1), tag: try row.value(3))
            switch try row.value(0, as: Int32.self) {
            case 0: (parts.head, parts.headSize) = (at, try row.value(2))
            case 1: (parts.snapshot.at, parts.snapshotSize) = (at, try row.value(2))
            case 2: parts.chunks.append(try row.members(4, of: set))
            default: if let change = try row.change(1, of: set, added: 4, removed: 5) { parts.changes.append(change) }
            }
        }
        return try parts.state(of: set, at: version)
    }
}

extension AudienceStore {
    /// A set at an earlier version, cached after the first read.
    ///
    /// - Parameter tag: the tag of that version in the stored history, which tells it from a version that was rewound
    ///   since. Nil if the log doesn't have it; then the log is read to find out why.
    func state(of set: SetKey, at version: Int64, tag: Int64?) async throws -> SetState {
        if let tag {
            let at = SetVersion(version: version, tag: tag)
            if let cached = cache[set], cached.at == at { return cached }
            if let kept = derived[.version(set, version)], kept.at == at {
                return SetState(at: at, members: kept.members)
            }
        }
        let state = try await readTransaction { transaction in
            try transaction.state(of: set, at: version)
        }
        derived.put(state.members, at: state.at, for: .version(set, version))
        return state
    }

    /// The tag of each of these versions in the stored history; nil if the log doesn't have it.
    func tags(of versions: [(set: Int32, version: Int64)]) async throws -> [Int64?] {
        var tags = [Int64?](repeating: nil, count: versions.count)
        let found = try await read(
            """
            SELECT w.position, CASE WHEN w.version = h.version THEN h.tag ELSE c.previous_tag END
            FROM unnest(\(versions.map(\.set)), \(versions.map(\.version))) WITH ORDINALITY w (set_number, version, position)
            JOIN set_head h ON h.workspace_id = \(workspace) AND h.set_number = w.set_number
            LEFT JOIN set_change c ON c.workspace_id = \(workspace) AND c.set_number = w.set_number
                AND c.version = w.version + 1
            """
        ) { row in (place: Int(try row.value(0, as: Int64.self)) - 1, tag: try row.value(1, as: Int64?.self)) }
        for (place, tag) in found { tags[place] = tag }
        return tags
    }
}
