import MusterProtocol
import Postgres

/// Records which segments were made, changed or deleted at each of the newest versions of the head of definitions.
enum DefinitionLog {
    /// The number of changes that are kept: reading all segments anew costs as much as reading as many changed ones.
    static let kept: Int64 = 1000
}

extension WorkspaceTransaction {
    /// Locks the workspace's definitions for this transaction. This is the first lock of all, before identities and
    /// heads.
    @discardableResult
    borrowing func lockDefinitions() throws -> LockedHead {
        let set = SetKey(workspace: workspace, number: SetKey.definitions)
        guard let head = try lockHead(set) else { throw DamagedSet(set: set, what: "its head is missing") }
        return head
    }

    /// Raises the head of definitions, and records the segments that this transaction makes, changes or deletes.
    ///
    /// Returns the new version. It counts over the whole workspace, so that a deleted and recreated segment is never
    /// taken for the earlier one by a cached plan, by `at`, or by a page.
    @discardableResult
    borrowing func raise(_ definitions: LockedHead, changing segments: [Identifier]) throws -> Int64 {
        let new = definitions.at.next()
        try execute(
            """
            WITH raised AS (
                UPDATE set_head SET version = \(new.version), tag = \(new.tag)
                WHERE workspace_id = \(workspace) AND set_number = \(SetKey.definitions)
            )
            INSERT INTO definition_change (workspace_id, version, previous_tag, segment_ids)
            VALUES (\(workspace), \(new.version), \(definitions.at.tag), \(segments))
            """)
        return new.version
    }

    /// Deletes all but the newest changes, which no read needs.
    borrowing func pruneDefinitionChanges() throws -> Int {
        try query(
            """
            DELETE FROM definition_change WHERE workspace_id = \(workspace) AND version <= (
                SELECT version - \(DefinitionLog.kept) FROM set_head
                WHERE workspace_id = \(workspace) AND set_number = \(SetKey.definitions))
            RETURNING 1
            """
        ) { row in try row.value(0, as: Int32.self) }.count
    }
}
