import MusterSchema
import Postgres

/// The role that servers connect as. It owns nothing and sees one workspace per transaction.
public struct ServerRole: Sendable, Equatable {
    public let name: String

    /// The name in the migration files, and the default.
    public static let standard = ServerRole(known: "muster_server")

    /// Nil unless the name is 1 to 63 ASCII letters, digits, `_`, `-`, `.` or `@`, and not reserved by PostgreSQL:
    /// `public`, `none`, or a `pg_` prefix. Such a name is safe in double quotes anywhere in a script, even within a
    /// literal or a format.
    public init?(_ name: String) {
        let isAllowed = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "_-.@".utf8.contains(byte)
            }
        }
        let isReserved = name.hasPrefix("pg_") || ["public", "none"].contains(name)
        guard isAllowed, !isReserved, (1...63).contains(name.utf8.count) else { return nil }
        self.name = name
    }

    private init(known name: String) { self.name = name }

    /// The script of a migration, with this role in place of the standard one.
    func script(of migration: Migration) -> String {
        guard self != .standard else { return migration.script }
        return migration.script.replacing(Self.standard.name, with: "\"\(name)\"")
    }
}

extension Schema {
    /// The role that servers connect as: the given one, else the one that the policies name, else the standard one.
    ///
    /// Throws `AccessProblem` if they name several roles or an invalid one. The operator must then choose, since
    /// policies and grants move to the chosen role.
    public func serverRole(
        given: ServerRole? = nil, deadline: ContinuousClock.Instant
    ) async throws -> ServerRole {
        if let given { return given }
        let named = try await database.read(
            deadline: deadline,
            """
            SELECT DISTINCT rolname::text
            FROM pg_policy
            JOIN (\(OwnTables.query)) t ON t.oid = polrelid
            JOIN pg_roles r ON r.oid = ANY (polroles)
            WHERE polname = 'one_workspace'
            ORDER BY 1
            """
        ) { row in try row.value(0, as: String.self) }
        guard let first = named.first else { return .standard }
        guard named.count == 1 else {
            throw AccessProblem(
                "the policies name \(named.joined(separator: " and ")): say with server_role which is the server's")
        }
        guard let role = ServerRole(first) else {
            throw AccessProblem(
                "the policies name \(first), which can't be the server's role: name another one with server_role")
        }
        return role
    }

    /// Creates the role if the cluster lacks it, as after a restored dump. Returns whether it was created.
    func createIfMissing(_ role: ServerRole, deadline: ContinuousClock.Instant) async throws -> Bool {
        let (exists, creator) = try await roleFacts(role, deadline: deadline)
        if exists { return false }
        guard creator.mayCreateRoles else {
            throw AccessProblem(
                "there is no role \(role.name) for the server and \(creator.name) may not create it: "
                    + "run as a superuser ALTER ROLE \"\(creator.name)\" CREATEROLE, or CREATE ROLE \"\(role.name)\" LOGIN"
            )
        }
        return try await create(role, deadline: deadline)
    }

    /// Throws with the missing right if the migration that creates the role can't run.
    func checkMayCreateRoles(_ role: ServerRole, deadline: ContinuousClock.Instant) async throws {
        let (_, creator) = try await roleFacts(role, deadline: deadline)
        guard !creator.mayCreateRoles else { return }
        throw AccessProblem(
            "the first migration makes the role \(role.name) and \(creator.name) may not create roles: "
                + "run as a superuser ALTER ROLE \"\(creator.name)\" CREATEROLE")
    }

    private func roleFacts(
        _ role: ServerRole, deadline: ContinuousClock.Instant
    ) async throws -> (exists: Bool, creator: (name: String, mayCreateRoles: Bool)) {
        let rows = try await database.read(
            deadline: deadline,
            """
            SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = \(role.name)), rolname::text, rolcreaterole OR rolsuper
            FROM pg_roles WHERE rolname = current_user
            """
        ) { row in
            (try row.value(0, as: Bool.self), (try row.value(1, as: String.self), try row.value(2, as: Bool.self)))
        }
        guard let facts = rows.first else { throw PostgresError(.decoding, "pg_roles lacks the role of this session") }
        return facts
    }

    private func create(_ role: ServerRole, deadline: ContinuousClock.Instant) async throws -> Bool {
        do {
            try await database.transaction(deadline: deadline) { connection in
                try connection.run(
                    script: "CREATE ROLE \"\(role.name)\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS")
            }
            return true
        } catch let error as PostgresError where [.duplicateObject, .uniqueViolation].contains(error.sqlState) {
            return false  // roles belong to the cluster: another database's migrator was faster
        }
    }
}
