import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// A role belongs to the whole cluster, and so does its password.
struct RolePasswordTests {
    @Test func aPasswordSharedWithOtherDatabasesIsChangedOnlyOnRequest() async throws {
        try await withTwoDatabases { role, first, second in
            let before = try await verifier(of: role, first)
            let error = await #expect(throws: AccessProblem.self) { try await set("new", role, second.ownerURL) }
            for word in [role.name, try databaseName(first), "server_role", "--change-shared-password"] {
                #expect(error?.description.contains(word) == true, "\(word)")
            }
            #expect(try await verifier(of: role, first) == before)
            // The same one again is no change.
            #expect(try await !set("x", role, second.ownerURL, isAccepted: true))
            #expect(try await verifier(of: role, first) == before)
            #expect(try await set("new", role, second.ownerURL, changesShared: true))
            #expect(try await verifier(of: role, first) != before)
        }
    }

    @Test func aPasswordThatNoOtherDatabaseNeedsIsSet() async throws {
        try await TestDatabase.withEmpty { test in
            try await withServerRole(test) { role in
                try await migrate(test.ownerURL, role)
                #expect(try await set("first", role, test.ownerURL))
                let before = try await verifier(of: role, test)
                #expect(try await set("it's \\ \"quoted\" %I", role, test.ownerURL))
                #expect(try await verifier(of: role, test) != before)
            }
        }
    }

    /// From 16 on a role administers those alone that it made, or that it was given with ADMIN OPTION.
    @Test func anOwnerThatMayNotChangeTheRoleGetsTheStatementThatHelps() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            let name = try ConnectionString(owner)["user"] ?? ""
            let isNew = try await names("SHOW server_version_num", owner)[0] >= "160000"
            try await test.run("CREATE ROLE \(name)_server LOGIN")
            let role = try #require(ServerRole("\(name)_server"))
            let result: Result<Void, any Error>
            do {
                try await migrate(owner, role)
                if !isNew { try await test.run("ALTER ROLE \(name) NOCREATEROLE") }
                let error = await #expect(throws: AccessProblem.self) { try await set("new", role, owner) }
                let statement =
                    isNew
                    ? "GRANT \"\(role.name)\" TO \"\(name)\" WITH ADMIN OPTION" : "ALTER ROLE \"\(name)\" CREATEROLE"
                #expect(error?.description.contains(statement) == true, "\(error?.description ?? "")")
                #expect(try await !set("new", role, owner, isAccepted: true))
                try await test.run(statement)
                #expect(try await set("new", role, owner))
                result = .success(())
            } catch { result = .failure(error) }
            try await test.run("DROP OWNED BY \(role.name); DROP ROLE \(role.name)")
            try result.get()
        }
    }

    @Test(.enabled(if: PrivateCluster.isPossible, "there is no PostgreSQL to start here"))
    func aPasswordIsNeverInTheServersLog() async throws {
        try await PrivateCluster.with { cluster in
            let url = cluster.url
            try await run("ALTER SYSTEM SET log_statement = 'all'", url)
            try await run("CREATE ROLE plain LOGIN; CREATE ROLE asked LOGIN; SELECT pg_reload_conf()", url)
            let role = try #require(ServerRole("asked"))
            var plain = try ConnectionString(url)
            plain["user"] = "plain"
            await #expect(throws: AccessProblem.self) { try await set("Sesame-1", role, plain.text) }
            try await set("Sesame-2", role, url)
            let log = try await names("SELECT pg_read_file(current_setting('data_directory') || '/server.log')", url)[0]
            #expect(log.contains("ALTER ROLE") && log.contains("ERROR:"), "\(log)")
            #expect(!log.contains("Sesame"), "\(log)")
        }
    }

    @Test(.enabled(if: PrivateCluster.isPossible, "there is no PostgreSQL to start here"))
    func aPasswordCountsAsAcceptedOnlyIfPostgreSQLAsksForIt() async throws {
        try await PrivateCluster.with { cluster in
            let url = cluster.url
            try await run("CREATE ROLE asked LOGIN", url)
            try await set("right", try #require(ServerRole("asked")), url)
            var asked = try ConnectionString(url)
            (asked["user"], asked["password"]) = ("asked", "right")
            // It trusts every connection so far, so the password is not checked.
            #expect(await !asked.isPasswordAccepted())
            try cluster.setAuthentication(["local all asked scram-sha-256", "local all all trust"])
            for _ in 0..<100 where await !asked.isPasswordAccepted() { try await Task.sleep(for: .milliseconds(50)) }
            #expect(await asked.isPasswordAccepted())
            asked["password"] = "wrong"
            #expect(await !asked.isPasswordAccepted())
            asked["host"] = "/nowhere"
            #expect(await !asked.isPasswordAccepted())
        }
    }

    // MARK: Tools

    private func withTwoDatabases(
        _ body: (ServerRole, TestDatabase, TestDatabase) async throws -> Void
    ) async throws {
        try await TestDatabase.withEmpty { first in
            try await withServerRole(first) { role in
                try await TestDatabase.withEmpty { second in
                    try await migrate(first.ownerURL, role)
                    try await set("x", role, first.ownerURL)
                    try await migrate(second.ownerURL, role)
                    try await body(role, first, second)
                }
            }
        }
    }

    private func migrate(_ url: String, _ role: ServerRole) async throws {
        try await TestDatabase.open(url, connections: 1) { database in
            _ = try await Schema(database: database).migrate(serverRole: role, logger: quietLogger, deadline: .soon)
        }
    }

    @discardableResult
    private func set(
        _ password: String, _ role: ServerRole, _ url: String, changesShared: Bool = false, isAccepted: Bool = false
    ) async throws -> Bool {
        try await TestDatabase.open(url, connections: 1) { database in
            try await Schema(database: database).setPassword(
                password, of: role, changesShared: changesShared, deadline: .soon, isAccepted: { isAccepted })
        }
    }

    private func verifier(of role: ServerRole, _ test: TestDatabase) async throws -> [String] {
        try await names("SELECT rolpassword FROM pg_authid WHERE rolname = \(role.name)", test.ownerURL)
    }
}
