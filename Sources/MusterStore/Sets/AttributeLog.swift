import MusterUsers
import Postgres

/// Whose attributes changed at each of the newest versions of all attributes.
enum AttributeLog {
    /// Users whose changes are read, and kept, where `e` is the head of everyone: a sixteenth of all. Looking one up
    /// takes several times as long as going past it in a scan. It bounds what the log takes, too: some 100 bytes for
    /// each of them at most.
    static let maxUsers: StaticString = "greatest(1000, e.size / 16)"
}

extension WorkspaceTransaction {
    /// Raises the head that counts the changes of attributes, and notes whose changed. The head is locked, or else the
    /// identity row is held alone; its lock comes after that of everyone and before any cohort's.
    ///
    /// - Parameter users: all who got, changed or lost an attribute, those who go among them.
    borrowing func raiseAttributes(of users: [UserNumber]) throws {
        try execute(
            """
            WITH old AS (
                SELECT version, tag FROM set_head WHERE workspace_id = \(workspace) AND set_number = \(SetKey.attributes)
            ), raised AS (
                UPDATE set_head SET version = version + 1, tag = \(Int64.random(in: .min ... .max))
                WHERE workspace_id = \(workspace) AND set_number = \(SetKey.attributes)
            )
            INSERT INTO attribute_change (workspace_id, version, previous_tag, user_numbers)
            SELECT \(workspace), version + 1, tag, \(users) FROM old
            """)
    }

    /// The changes that no look reads any more. All of them, since a busy workspace makes thousands between two
    /// maintenance passes.
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
