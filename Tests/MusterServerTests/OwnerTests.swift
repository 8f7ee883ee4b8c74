import MusterHandlers
import MusterProtocol
import MusterStore
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import muster_server

/// What `migrate` says to a role that can't make tables: what is missing, and the statement that helps.
struct OwnerTests {
    @Test func aRoleWithoutCreateOnTheSchemaGetsTheStatementThatHelps() async throws {
        try await withRole { test, role, url in
            let words = try await refusal(url)
            #expect(words.contains("\(role) has no CREATE on schema public"))
            #expect(words.contains("createdb --owner \(role)"))
            try await follow(words, test)
            try await migrate(url)
        }
    }

    @Test func aSchemaWithoutUsageIsNamedToo() async throws {
        try await withRole { test, role, url in
            try await test.run("REVOKE ALL ON SCHEMA public FROM PUBLIC")
            let words = try await refusal(url)
            #expect(words.contains(#"there is no schema for \#(role) to make tables in"#))
            #expect(words.contains(#"("$user", public)"#))
            try await follow(words, test)
            // Of the server's role `migrate` would say the same next.
            try await test.run("GRANT USAGE ON SCHEMA public TO muster_server")
            try await migrate(url)
        }
    }

    @Test func anInvalidNewKeyIsReportedByItsField() async throws {
        try await TestDatabase.with { test in
            try await TestDatabase.open(test.ownerURL, connections: 1) { database in
                let schema = Schema(database: database)
                func field(_ work: () async throws -> Void) async -> String? {
                    do { try await work() } catch let error as RPCError { return error.details.string("field") } catch {
                    }
                    return nil
                }
                let long = String(repeating: "x", count: 513)
                let names = [
                    await field { _ = try await NewWorkspace.make(name: long, with: schema, deadline: .soon) },
                    await field {
                        _ = try await OwnersKey.make(
                            name: "", scopes: ["*"], workspace: "w", with: schema, deadline: .soon)
                    },
                    await field {
                        _ = try await OwnersKey.make(
                            name: "k", scopes: ["*"], workspace: "nowhere", with: schema, deadline: .soon)
                    },
                ]
                #expect(names == ["name", "name", "workspace"])
            }
        }
    }

    private func refusal(_ url: String) async throws -> String {
        do { try await migrate(url) } catch { return Failure(error).description }
        Issue.record("migrate goes through")
        return ""
    }

    private func migrate(_ url: String) async throws {
        try await TestDatabase.open(url, connections: 1) { database in
            _ = try await Schema(database: database).migrate(logger: quietLogger, deadline: .soon)
        }
    }

    /// Runs the GRANT that a sentence names.
    private func follow(_ words: String, _ test: TestDatabase) async throws {
        let grant = try #require(words.firstMatch(of: /GRANT [^.]*/))
        try await test.run(String(grant.output))
    }

    /// A role that makes roles, in a database that belongs to another.
    private func withRole(_ body: (TestDatabase, String, String) async throws -> Void) async throws {
        try await TestDatabase.withEmpty { test in
            var url = try ConnectionString(test.ownerURL)
            let role = "muster_maker_\(UInt32.random(in: 0 ... .max))"
            try await test.run("CREATE ROLE \(role) LOGIN CREATEROLE PASSWORD 'x'")
            (url["user"], url["password"]) = (role, "x")
            let result: Result<Void, any Error>
            do { result = .success(try await body(test, role, url.text)) } catch { result = .failure(error) }
            try await test.run("REASSIGN OWNED BY \(role) TO CURRENT_USER; DROP OWNED BY \(role); DROP ROLE \(role)")
            try result.get()
        }
    }
}
