import Postgres

extension Schema {
    /// Lets the role log in with this password. False: it has it already, as far as had to be found out.
    ///
    /// A role belongs to the whole cluster: where other databases use it, their servers would be locked out at their
    /// next connection. Then the password is changed only where `changesShared` says so. Throws `AccessProblem` with
    /// the statement or setting that helps.
    ///
    /// - Parameter isAccepted: whether PostgreSQL asks the role for a password and takes this one; asked only where it
    ///   matters.
    @discardableResult
    public func setPassword(
        _ password: String, of role: ServerRole, changesShared: Bool, deadline: ContinuousClock.Instant,
        isAccepted: () async -> Bool
    ) async throws -> Bool {
        let others = try await otherDatabases(using: role, deadline: deadline)
        if !others.isEmpty, !changesShared {
            guard await !isAccepted() else { return false }
            throw Self.shared(role, others)
        }
        do { try await alter(role, password, deadline: deadline) } catch SQLState.insufficientPrivilege {
            guard await !isAccepted() else { return false }
            throw try await notAdministered(role, deadline: deadline)
        }
        return true
    }

    /// Where the role is named in a grant or policy, or owns something, in another database: `pg_shdepend` is of the
    /// whole cluster.
    private func otherDatabases(using role: ServerRole, deadline: ContinuousClock.Instant) async throws -> [String] {
        try await database.read(
            deadline: deadline,
            """
            SELECT DISTINCT datname::text COLLATE "C"
            FROM pg_shdepend
            JOIN pg_roles r ON r.oid = refobjid
            JOIN pg_database d ON d.oid = dbid
            WHERE refclassid = 'pg_authid'::regclass AND rolname = \(role.name) AND datname <> current_database()
            ORDER BY 1
            """
        ) { row in try row.value(0) }
    }

    private func alter(_ role: ServerRole, _ password: String, deadline: ContinuousClock.Instant) async throws {
        // ALTER ROLE takes no bound value; neither the name nor the verifier can hold a quote.
        try await database.transaction(deadline: deadline) { connection in
            let verifier = try connection.verifier(of: password, role: role.name)
            try connection.run(script: "ALTER ROLE \"\(role.name)\" PASSWORD '\(verifier)'")
        }
    }

    private static func shared(_ role: ServerRole, _ databases: [String]) -> AccessProblem {
        let few = databases.prefix(3).joined(separator: ", ") + (databases.count > 3 ? ", …" : "")
        return AccessProblem(
            "the role \(role.name) is used by other databases too (\(few)) and doesn't log in with this password: to change it "
                + "would lock their servers out. Give this database's server a role of its own with server_role, leave "
                + "server_role_password away, or say --change-shared-password where all shall change")
    }

    private func notAdministered(
        _ role: ServerRole, deadline: ContinuousClock.Instant
    ) async throws -> AccessProblem {
        let names = try await database.read(
            deadline: deadline, "SELECT current_user::text, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        ) {
            row in (try row.value(0, as: String.self), try row.value(1, as: Bool.self))
        }
        let (owner, mayCreateRoles) = names.first ?? ("", true)
        let statement =
            mayCreateRoles
            ? "GRANT \"\(role.name)\" TO \"\(owner)\" WITH ADMIN OPTION" : "ALTER ROLE \"\(owner)\" CREATEROLE"
        return AccessProblem(
            "\(owner) may not change the password of the role \(role.name): as a superuser, or as the role that created it, run "
                + "\(statement), or leave server_role_password away, or name another role with server_role")
    }
}
