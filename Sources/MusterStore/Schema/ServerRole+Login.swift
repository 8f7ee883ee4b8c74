import Logging
import Postgres

extension Schema {
    /// Lets the server's role log in and connect to this database if it can't yet, or names the statement that helps.
    ///
    /// A role without LOGIN that has members stays as it is: servers log in as one of the members.
    func letIn(_ role: ServerRole, logger: Logger, deadline: ContinuousClock.Instant) async throws {
        let before = try await barred(role, deadline: deadline)
        for (_, statement) in before {
            do {
                try await database.transaction(deadline: deadline) { connection in
                    try connection.run(script: statement)
                }
            } catch SQLState.insufficientPrivilege {}  // told below
        }
        guard !before.isEmpty else { return }
        // A GRANT by a role without the right to grant is a warning, not an error.
        let left = try await barred(role, deadline: deadline)
        for (right, statement) in before {
            if left.contains(where: { $0.right == right }) {
                logger.warning(
                    "Server role may not \(right): run the statement as a superuser",
                    metadata: ["role": "\(role.name)", "statement": "\(statement)"])
            } else {
                logger.notice("Server role may \(right) again", metadata: ["role": "\(role.name)"])
            }
        }
    }

    /// The rights that the role lacks, each with the statement that grants it.
    private func barred(
        _ role: ServerRole, deadline: ContinuousClock.Instant
    ) async throws -> [(right: String, statement: String)] {
        try await database.read(
            deadline: deadline,
            """
            SELECT 'log in', format('ALTER ROLE "%s" LOGIN', rolname) FROM pg_roles s
            WHERE rolname = \(role.name) AND NOT rolcanlogin AND NOT EXISTS (
                SELECT FROM pg_auth_members JOIN pg_roles m ON m.oid = member
                WHERE roleid = s.oid AND m.rolcanlogin AND NOT m.rolsuper AND m.rolname <> current_user)
            UNION ALL
            SELECT 'connect to the database', format('GRANT CONNECT ON DATABASE %I TO "%s"', current_database(), rolname)
            FROM pg_roles
            WHERE rolname = \(role.name) AND NOT has_database_privilege(oid, current_database(), 'CONNECT')
            """
        ) { row in (try row.value(0, as: String.self), try row.value(1, as: String.self)) }
    }
}
