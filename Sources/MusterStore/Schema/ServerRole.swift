import MusterSchema
import Postgres

/// The role that servers connect as. It owns nothing and sees one workspace in a transaction.
public struct ServerRole: Sendable, Equatable {
    public let name: String

    /// The name that the migrations' files have, and that holds where nothing else is set.
    public static let standard = ServerRole(known: "muster_server")

    /// Nil unless the name is 1 to 63 letters of ASCII, digits, `_`, `-`, `.` or `@`, and none of PostgreSQL's own:
    /// those that begin with `pg_`, `public` and `none`. So it can stand in double quotes anywhere in a script, within
    /// a literal or a format as well.
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

    /// The script of a step, with this role where the file has the standard one.
    func script(of migration: Migration) -> String {
        guard self != .standard else { return migration.script }
        return migration.script.replacing(Self.standard.name, with: "\"\(name)\"")
    }
}

extension Schema {
    /// The role that servers connect as: the given one, or else the one that the policies name, or the standard one
    /// where none names any.
    ///
    /// Throws `AccessProblem` where they name several, or one that can't be: which of them it is must be said, since
    /// policies and grants are moved to it.
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

    /// Makes the role where the cluster lacks it, as one has that a dump was restored into. True: it was made.
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

    /// Refuses a role that the step which makes it could not be run for, in words that tell what is missing.
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
