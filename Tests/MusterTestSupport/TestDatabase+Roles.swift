public import Postgres
import TestSupport

extension TestDatabase {
    /// Runs `body` with an empty database and its owner's connection string. The usual owner of test databases is a
    /// superuser and bypasses row-level security: that would prove nothing.
    public static func withPlainOwner(_ body: (TestDatabase, String) async throws -> Void) async throws {
        try await withEmpty { test in
            try await test.withRole("LOGIN CREATEROLE") { owner in
                let name = try ConnectionString(test.ownerURL)["dbname"] ?? ""
                try await test.run("ALTER DATABASE \(name) OWNER TO \(owner)")
                try await body(test, try test.url(of: owner))
            }
        }
    }

    /// Calls `body` with the name of a role. Roles belong to the whole cluster, so each has a random name and is
    /// dropped after its test.
    public func withRole(_ attributes: String, _ body: (String) async throws -> Void) async throws {
        let role = "muster_role_\(UInt32.random(in: 0 ... .max))"
        try await run("CREATE ROLE \(role) \(attributes) PASSWORD 'x'")
        try await cleaningUp(
            { try await run("REASSIGN OWNED BY \(role) TO CURRENT_USER; DROP OWNED BY \(role); DROP ROLE \(role)") },
            after: { try await body(role) })
    }

    /// The connection string of a role of `withRole`, or of another one with its password.
    public func url(of role: String) throws -> String {
        var url = try ConnectionString(ownerURL)
        (url["user"], url["password"]) = (role, "x")
        return url.text
    }

    /// Runs a script as the superuser who owns the tables.
    public func run(_ script: String) async throws {
        try await Self.open(ownerURL, connections: 1) { database in
            try await database.withConnection(deadline: .soon) { connection in try connection.run(script: script) }
        }
    }

    /// Runs statements as the same, in one transaction.
    public func asOwner<R: Sendable>(
        _ body: @escaping @Sendable (borrowing Connection) throws -> R
    ) async throws -> R {
        try await Self.open(ownerURL, connections: 1) { database in
            try await database.transaction(deadline: .soon, body)
        }
    }
}
