import MusterUsers
import Postgres

/// Records whose attributes changed at each of the newest versions of the head of attributes.
enum AttributeLog {
    /// The number of users whose changes are kept and read: a sixteenth of all users, where `e` is the head of
    /// everyone. Looking up one user takes several times as long as passing it in a scan. The limit also bounds the
    /// size of the log, at 100 bytes per user at most.
    static let maxUsers: StaticString = "greatest(1000, e.size / 16)"
}

extension WorkspaceTransaction {
    /// Raises the head of attributes and records whose attributes changed. The caller has locked that head, or holds
    /// the head of identity exclusively. The lock comes after everyone's and before any cohort's.
    ///
    /// - Parameter users: all users that got, changed or lost an attribute, deleted users included.
    borrowing func raiseAttributes(of users: [UserNumber]) throws {
        try execute(
            """
            WITH old AS (
                SELECT version, tag FROM set_head WHERE workspace_id = \(workspace) AND set_number = \(SetKey.attributes)
            ), raised AS (
                UPDATE set_head SET version = version + 1, tag = \(SetVersion.newTag())
                WHERE workspace_id = \(workspace) AND set_number = \(SetKey.attributes)
            )
            INSERT INTO attribute_change (workspace_id, version, previous_tag, user_numbers)
            SELECT \(workspace), version + 1, tag, \(users) FROM old
            RETURNING 1
            """)
    }

    /// Deletes the changes that no look reads any more, without a limit per pass: a busy workspace makes thousands
    /// between two maintenance passes.
    borrowing func pruneAttributeChanges() throws -> Int {
        try query(
            """
            DELETE FROM attribute_change WHERE workspace_id = \(workspace) AND version <= (
                SELECT x.version FROM (
                    SELECT y.version, sum(cardinality(y.user_numbers)) OVER (ORDER BY y.version DESC) users
                    FROM attribute_change y WHERE y.workspace_id = \(workspace)) x
                WHERE x.users > (
                    SELECT \(raw: AttributeLog.maxUsers) FROM set_head e
                    WHERE e.workspace_id = \(workspace) AND e.set_number = \(SetKey.everyone))
                ORDER BY x.version DESC LIMIT 1)
            RETURNING 1
            """
        ) { row in try row.value(0, as: Int32.self) }.count
    }
}
