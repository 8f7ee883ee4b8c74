import Postgres

extension Schema {
    /// Lets the role log in with this password. Returns false if it can't be changed here and PostgreSQL accepts it
    /// already.
    ///
    /// A role belongs to the whole cluster: if other databases use it, a new password would reject their servers' next
    /// connections. Then the password changes only if `changesShared` is set. Throws `AccessProblem` with the statement
    /// or setting that helps.
    ///
    /// - Parameter isAccepted: whether PostgreSQL asks the role for a password and accepts this one. Called only if
    ///   needed.
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

    /// The other databases where grants or policies name the role, or where it owns objects. `pg_shdepend` covers the
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
        // ALTER ROLE takes no parameters. Neither the name nor the verifier can contain a quote.
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
