public import Logging
public import MusterSchema
public import Postgres

/// The schema of a database: migrates it and describes it.
///
/// `migrate` and `createWorkspace` need the role that owns the tables. All else works with any role that may log in.
public struct Schema: Sendable {
    public let database: Database
    let migrations: [Migration]
    var mending = MendingPatience()

    /// - Parameter migrations: the migrations that this build knows.
    public init(database: Database, migrations: [Migration] = Migration.all) {
        self.database = database
        self.migrations = migrations
    }

    /// The schema version that this build serves.
    public var current: Int { migrations.last?.version ?? 0 }

    /// The number of the last applied migration; 0 before the first.
    public func version(deadline: ContinuousClock.Instant) async throws -> Int {
        try await applied(deadline: deadline).version
    }

    /// Throws `SchemaMismatch` if this build does not serve the schema of the database: an older one, or a newer one
    /// with a migration that does more than add.
    public func check(deadline: ContinuousClock.Instant) async throws {
        let found = try await applied(deadline: deadline)
        guard found.version == current || found.version > current && found.onlyAdds else {
            throw SchemaMismatch(found: found.version, served: current)
        }
    }

    /// The last applied migration, and whether all applied migrations that this build doesn't know only add.
    private func applied(deadline: ContinuousClock.Instant) async throws -> (version: Int, onlyAdds: Bool) {
        do {
            // Reads the column by name from a JSON document, since databases with a schema older than 12 lack it.
            let rows = try await database.read(
                isUrgent: true, deadline: deadline,
                """
                SELECT coalesce(max(version), 0), coalesce(bool_and(coalesce(
                    (to_jsonb(m) ->> 'only_adds')::bool, false)) FILTER (WHERE version > \(Int32(current))), true)
                FROM migration m
                """
            ) { row in (try row.value(0, as: Int.self), try row.value(1, as: Bool.self)) }
            return rows.first ?? (0, true)
        } catch SQLState.undefinedTable {
            try await checkIsNotElsewhere(deadline: deadline)
            return (0, true)
        } catch SQLState.insufficientPrivilege {
            // A grant is missing, as after a restore into a cluster that lacked the role. The schema is still unknown.
            throw AccessProblem(
                "the role of the connection may not read the table migration: run `muster-server migrate` as the role that "
                    + "owns the tables, which grants it to the server's role (setting server_role), and connect as that"
            )
        }
    }

    /// Applies the missing migrations, each in its own transaction, and returns their numbers. Then repairs roles,
    /// policies and grants, even if no migration was missing. Leaves a newer schema that only adds as it is.
    ///
    /// Two concurrent runs are safe: each migration is applied under the lock of the table that records it.
    ///
    /// - Parameter role: the role that servers connect as. Nil means the role that the database already names, or else
    ///   the standard one.
    @discardableResult
    public func migrate(
        serverRole given: ServerRole? = nil, logger: Logger, deadline: ContinuousClock.Instant
    ) async throws -> [Int] {
        let areThere = try await ownsTables(deadline: deadline)
        try await checkMayCreate(deadline: deadline)
        let found = try await version(deadline: deadline)
        guard found <= current else {
            try await check(deadline: deadline)
            logger.notice(
                "Newer schema left alone, with its roles, policies and grants",
                metadata: ["schema": .stringConvertible(found), "served": .stringConvertible(current)])
            return []
        }
        let role = try await serverRole(given: given, deadline: deadline)
        try await checkIsNotOwner(role, deadline: deadline)
        if !areThere { try await createTableOfMigrations(deadline: deadline) }
        guard current >= Self.rolesVersion else { return try await applyAll(for: role, logger, deadline: deadline) }
        if found < Self.rolesVersion {
            try await checkMayCreateRoles(role, deadline: deadline)
        } else if found < current {
            // Runs before the migrations: an update silently skips rows that the owner doesn't see.
            try await repairAccess(for: role, logger: logger, deadline: deadline)
        }
        let applied = try await applyAll(for: role, logger, deadline: deadline)
        try await repairAccess(for: role, logger: logger, deadline: deadline)
        return applied
    }

    private func applyAll(
        for role: ServerRole, _ logger: Logger, deadline: ContinuousClock.Instant
    ) async throws -> [Int] {
        var applied: [Int] = []
        for migration in migrations where try await apply(migration, role, deadline: deadline) {
            logger.notice(
                "Migration applied",
                metadata: ["migration": "\(migration.name)", "only_adds": .stringConvertible(migration.onlyAdds)])
            applied.append(migration.version)
        }
        try await check(deadline: deadline)
        return applied
    }

    /// False if there are no tables yet. Throws if they belong to a role that this connection can't act as, or if new
    /// tables would go into another schema.
    private func ownsTables(deadline: ContinuousClock.Instant) async throws -> Bool {
        try await checkIsNotElsewhere(deadline: deadline)
        let rows = try await database.read(
            deadline: deadline,
            """
            SELECT current_user::text, pg_get_userbyid(relowner)::text, pg_has_role(current_user, relowner, 'USAGE')
            FROM pg_class WHERE oid = to_regclass('migration')
            """
        ) { row in
            (try row.value(0, as: String.self), try row.value(1, as: String.self), try row.value(2, as: Bool.self))
        }
        guard let (role, owner, isOwner) = rows.first else { return false }
        guard isOwner else {
            throw AccessProblem(
                "the tables belong to \(owner) and the role of the connection is \(role): connect as \(owner)")
        }
        return true
    }

    /// `IF NOT EXISTS` is not atomic: of two concurrent runs, one may fail on the other's table and must retry.
    private func createTableOfMigrations(deadline: ContinuousClock.Instant) async throws {
        for attempt in 1...5 {
            do {
                return try await database.transaction(deadline: deadline) { connection in
                    try connection.execute(
                        """
                        CREATE TABLE IF NOT EXISTS migration (
                            version int4 NOT NULL,
                            name text COLLATE "C" NOT NULL,
                            applied_at timestamptz NOT NULL,
                            CONSTRAINT migration_pkey PRIMARY KEY (version)
                        )
                        """)
                }
            } catch let error as PostgresError where Self.isSomebodyFaster(error) && attempt < 5 {
                continue
            }
        }
    }

    private static func isSomebodyFaster(_ error: PostgresError) -> Bool {
        [SQLState.uniqueViolation, .duplicateTable, .duplicateObject].contains(error.sqlState)
    }

    /// False if the migration was applied before, or by another migrator while this one waited for the lock.
    private func apply(
        _ migration: Migration, _ role: ServerRole, deadline: ContinuousClock.Instant
    ) async throws -> Bool {
        // No lock timeout: another migrator may work for any length of time. The deadline bounds the wait.
        try await database.transaction(lockTimeoutMilliseconds: 0, deadline: deadline) { connection in
            try connection.execute("LOCK TABLE migration IN SHARE ROW EXCLUSIVE MODE")
            let recorded: String? = try connection.first(
                "SELECT name FROM migration WHERE version = \(Int32(migration.version))"
            ) { row in try row.value(0) }
            if let recorded {
                guard recorded == migration.name else {
                    throw ForeignMigration(version: migration.version, recorded: recorded, known: migration.name)
                }
                return false
            }
            try connection.run(script: role.script(of: migration))
            try connection.execute(
                """
                INSERT INTO migration (version, name, applied_at)
                VALUES (\(Int32(migration.version)), \(migration.name), clock_timestamp())
                """)
            if migration.onlyAdds, migration.version >= Migration.onlyAddsVersion {
                try connection.execute(
                    "UPDATE migration SET only_adds = true WHERE version = \(Int32(migration.version))")
            }
            return true
        }
    }
}

/// The database has a schema that this build doesn't serve.
public struct SchemaMismatch: Error, Equatable, CustomStringConvertible {
    /// The number of the last applied migration; 0 before the first.
    public let found: Int
    /// The schema version that this build serves.
    public let served: Int

    /// States both versions and what to do next.
    public var description: String {
        let fact = "the database has schema \(found) and this muster-server serves schema \(served)"
        return found < served
            ? "\(fact): run `muster-server migrate` as the role that owns the tables"
            : "\(fact), and a step between them does more than add: start a muster-server that is as new as the database"
    }
}

/// A migration of this number was applied, but it differs from the one that this build knows.
public struct ForeignMigration: Error, CustomStringConvertible {
    let version: Int
    let recorded: String
    let known: String

    /// States both names and what to do next.
    public var description: String {
        "migration \(version) of the database is \(recorded) and this muster-server knows \(known): "
            + "point MUSTER_DATABASE_URL at Muster's own database"
    }
}
