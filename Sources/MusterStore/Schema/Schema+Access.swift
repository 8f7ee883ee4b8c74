import Logging
import Postgres

extension Schema {
    /// The migration that creates the server's role, its policies and grants. Before it there is nothing to repair.
    static let rolesVersion = 8

    /// Repairs owners, row-level security, policies and grants for the role that owns the tables now and for the
    /// server's role, which it creates if missing. A dump is not certain to carry any of them. Logs each change.
    func repairAccess(for role: ServerRole, logger: Logger, deadline: ContinuousClock.Instant) async throws {
        if try await createIfMissing(role, deadline: deadline) {
            logger.notice("Server role created", metadata: ["role": "\(role.name)"])
        }
        try await letIn(role, logger: logger, deadline: deadline)
        if try await seesAll(role, deadline: deadline) {
            logger.warning("The server's role sees all workspaces", metadata: ["role": "\(role.name)"])
        }
        let changes = try await again { try await mend(for: role, deadline: deadline) }
        for part in [AccessChange.Part.owners, .rowSecurity, .policies, .grants] {
            let count = changes.count { $0.part == part }
            guard count > 0 else { continue }
            logger.notice(
                "Access repaired",
                metadata: [
                    "part": "\(part.rawValue)", "statements": .stringConvertible(count),
                    "server_role": "\(role.name)",
                ])
        }
    }

    /// The repairs that `migrate` would make or ask for. Empty if all is right, or if the schema is newer than this
    /// build knows.
    public func accessDifferences(deadline: ContinuousClock.Instant) async throws -> [String] {
        guard try await version(deadline: deadline) == current else { return [] }
        let role: ServerRole
        do { role = try await serverRole(deadline: deadline) } catch let problem as AccessProblem {
            return [problem.description]
        }
        return try await database.snapshot(deadline: deadline) { connection in
            try AccessChange.all(for: role, connection).map(\.statement)
        }
    }

    private func mend(for role: ServerRole, deadline: ContinuousClock.Instant) async throws -> [AccessChange] {
        // No lock timeout: another migrator may work for any length of time.
        try await database.transaction(lockTimeoutMilliseconds: 0, deadline: deadline) { [mending] connection in
            try connection.execute("LOCK TABLE migration IN SHARE ROW EXCLUSIVE MODE")
            let changes = try AccessChange.all(for: role, connection)
            if !changes.isEmpty {
                let timeout = String(mending.lockTimeoutMilliseconds)
                try connection.execute("SELECT set_config('lock_timeout', \(timeout), true)")
            }
            for change in changes { try Self.run(change, connection) }
            // A GRANT by a role without the right to grant is a warning, not an error.
            if !changes.isEmpty, let left = try AccessChange.all(for: role, connection).first {
                throw AccessProblem(
                    "`\(left.statement)` has no effect when this role runs it: run it as a superuser, then migrate again"
                )
            }
            return changes
        }
    }

    private static func run(_ change: AccessChange, _ connection: borrowing Connection) throws {
        do { try connection.run(script: change.statement) } catch let error as PostgresError
            where error.sqlState == .insufficientPrivilege
        {
            throw AccessProblem(
                "PostgreSQL refuses `\(change.statement)` to this role (\(error.message)): "
                    + "run it as a superuser, then migrate again")
        }
    }

    /// Retries on lock conflicts. Running servers lock tables in another order than the statements here, and another
    /// transaction may hold a table for long.
    private func again<R: Sendable>(_ body: () async throws -> R) async throws -> R {
        for _ in 1..<mending.attempts {
            do { return try await body() } catch let error as PostgresError
                where error.isWorthRunningAgain || error.sqlState == .lockNotAvailable
            {}
            try await Task.sleep(for: mending.pause)
        }
        do { return try await body() } catch SQLState.lockNotAvailable { throw mending.problem }
    }

    /// Checked before any change: the owner of the tables, or the role about to create them, can't be the server's
    /// role.
    func checkIsNotOwner(_ role: ServerRole, deadline: ContinuousClock.Instant) async throws {
        let owner = try await database.read(
            deadline: deadline,
            """
            SELECT coalesce((
                SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass('migration')), current_user)::text
            """
        ) { row in try row.value(0, as: String.self) }
        guard !owner.contains(role.name) else {
            throw AccessProblem(
                "\(role.name) owns Muster's tables and so can't be the role that the server works as: "
                    + "name another one with server_role")
        }
    }

    private func seesAll(_ role: ServerRole, deadline: ContinuousClock.Instant) async throws -> Bool {
        let answers = try await database.read(
            deadline: deadline,
            """
            SELECT s.rolsuper OR s.rolbypassrls OR pg_has_role(s.oid, o.relowner, 'MEMBER')
            FROM pg_class o JOIN pg_roles s ON s.rolname = \(role.name) WHERE o.oid = to_regclass('migration')
            """
        ) { row in try row.value(0, as: Bool.self) }
        return answers.contains(true)
    }
}

extension Schema {
    /// Throws `AccessProblem` if the role of the connection doesn't see all rows of each workspace that it works in.
    /// Its reads would be incomplete, and its changes could affect no rows.
    public func checkAccess(deadline: ContinuousClock.Instant) async throws {
        let hidden = try await database.read(deadline: deadline, Self.hiddenTables) { row in try HiddenTable(row) }
        if let hidden = hidden.first { throw hidden.problem }
    }

    /// Tables that this role may not read, or whose policies hide rows of a workspace from it.
    private static var hiddenTables: SQL {
        """
        WITH policy AS (
            SELECT * FROM pg_policy
            WHERE polcmd IN ('*', 'r') AND EXISTS (
                SELECT FROM unnest(polroles) AS named(oid)
                WHERE named.oid = 0 OR pg_has_role(current_user, named.oid, 'USAGE'))
        )
        SELECT current_user::text, relname::text, pg_get_userbyid(relowner)::text, has_table_privilege(t.oid, 'SELECT'),
            (SELECT min(polname::text) FROM policy WHERE polrelid = t.oid AND NOT polpermissive)
        FROM (\(OwnTables.query)) t
        WHERE NOT relispartition
            AND (NOT has_table_privilege(t.oid, 'SELECT') OR row_security_active(t.oid) AND (
                EXISTS (SELECT FROM policy WHERE polrelid = t.oid AND NOT polpermissive)
                OR NOT EXISTS (
                    SELECT FROM policy
                    WHERE polrelid = t.oid AND polpermissive
                        AND pg_get_expr(polqual, polrelid) IN ('true', \(AccessChange.oneWorkspace)))))
        ORDER BY relname LIMIT 1
        """
    }
}

/// How long to wait for tables whose policies or grants are to be changed.
///
/// The repair holds its earlier tables exclusively while it waits for the next, and all calls queue behind it. So it
/// waits briefly, releases all of them, and retries.
struct MendingPatience: Sendable {
    var lockTimeoutMilliseconds = 2000
    var attempts = 10
    var pause = Duration.seconds(3)

    fileprivate var problem: AccessProblem {
        AccessProblem(
            "policies and grants can't be put right while another session holds a table of Muster's, as pg_dump does, or a "
                + "statement that runs for long: nothing was changed by \(attempts) attempts, so migrate again when it is done"
        )
    }
}

/// A table that is hidden from a role, fully or in part.
private struct HiddenTable: Sendable {
    let role: String
    let table: String
    let owner: String
    let isReadable: Bool
    /// An operator's policy that hides rows.
    let restrictivePolicy: String?

    init(_ row: borrowing Row) throws {
        (role, table, owner) = (try row.value(0), try row.value(1), try row.value(2))
        (isReadable, restrictivePolicy) = (try row.value(3), try row.value(4))
    }

    var problem: AccessProblem {
        if let policy = restrictivePolicy, isReadable {
            return AccessProblem(
                "the policy \(policy) of the table \(table) may hide rows from \(role): "
                    + "DROP POLICY \"\(policy)\" ON \"\(table)\"")
        }
        let fact =
            isReadable
            ? "row-level security hides rows of the table \(table) from \(role)"
            : "\(role) may not read the table \(table)"
        return AccessProblem(
            "\(fact): run `muster-server migrate` as \(owner), which owns the tables and puts policies and grants right "
                + "for itself and for the server's role (setting server_role); then connect as one of the two")
    }
}
