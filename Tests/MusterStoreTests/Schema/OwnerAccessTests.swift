import MusterSchema
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// The role that owns the tables: another one, a superuser, one that lacks rights.
struct OwnerAccessTests {
    /// With what `DROP OWNED` leaves of policies that name the old owner, and without it.
    @Test(arguments: ["", "DROP OWNED BY"])
    func anotherOwnerSeesNoRowsUntilItMigrates(_ more: String) async throws {
        try await TestDatabase.withPlainOwner { test, first in
            try await migrate(first)
            try await makeWorkspace(first)
            try await test.withRole("LOGIN CREATEROLE") { second in
                let before = try ConnectionString(first)["user"] ?? ""
                let drop = more.isEmpty ? "" : "; \(more) \(before)"
                try await test.run("REASSIGN OWNED BY \(before) TO \(second)\(drop)")
                let url = try test.url(of: second)
                let problem = try await accessProblem(url)
                #expect(problem?.contains("`muster-server migrate` as \(second)") == true, "\(problem ?? "")")
                let blind = try await verify(url)
                #expect(blind.contains("workspace 1, set 0, the head of everyone is missing"), "\(blind)")
                #expect(blind.count == 8, "\(blind)")
                // A step that changes rows is the first that a new owner may run.
                let next = Migration.current + 1
                let rows = Migration(
                    version: next, name: "\(next)_rows", script: "UPDATE api_key SET name = 'changed';")
                let log = CapturedLog()
                try await migrate(url, Migration.all + [rows], log: log)
                #expect(try await names("SELECT name FROM api_key", url) == ["changed"])
                #expect(log.lines.contains { $0.hasPrefix("Access repaired part=policies") }, "\(log.lines)")
                #expect(try await accessProblem(url) == nil)
                #expect(try await verify(url) == [])
                try await expectNothingToRepair(url, Migration.all + [rows])
            }
        }
    }

    /// A superuser that migrates owns the new tables at first; they are given to the owner.
    @Test func tablesAddedByASuperuserBelongToTheOwner() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            try await migrate(owner)
            let next = Migration.current + 1
            let table = Migration(
                version: next, name: "\(next)_table",
                script: """
                    CREATE TABLE added (LIKE ended_set INCLUDING ALL);
                    DROP TABLE ended_set;
                    ALTER TABLE added RENAME TO ended_set;
                    """)
            try await migrate(test.ownerURL, Migration.all + [table])
            let name = try ConnectionString(owner)["user"] ?? ""
            let owners: SQL = "SELECT relowner::regrole::text FROM pg_class WHERE relname = 'ended_set'"
            #expect(try await names(owners, owner) == [name])
            #expect(try await accessProblem(owner) == nil)
            try await expectNothingToRepair(owner, Migration.all + [table])
        }
    }

    @Test func aRoleThatCannotMigrateGetsTheNameOfTheOwner() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            try await migrate(owner)
            try await test.withRole("LOGIN CREATEROLE") { other in
                let error = await #expect(throws: AccessProblem.self) { try await migrate(try test.url(of: other)) }
                let name = try ConnectionString(owner)["user"] ?? "-"
                #expect(error?.description.hasSuffix("connect as \(name)") == true)
            }
            try await test.run("ALTER ROLE \(try ConnectionString(owner)["user"] ?? "") NOCREATEROLE")
            try await migrate(owner)
        }
    }

    @Test func theOwnerIsRefusedAsTheRoleOfTheServer() async throws {
        try await TestDatabase.withPlainOwner { _, owner in
            let name = try #require(ServerRole(try ConnectionString(owner)["user"] ?? ""))
            try await expectRefusal(owner, ["\(name.name) owns", "server_role"], role: name)
            #expect(try await names("SELECT relname::text FROM pg_class WHERE relname = 'migration'", owner) == [])
            try await migrate(owner)
            try await expectRefusal(owner, ["\(name.name) owns", "server_role"], role: name)
        }
    }

    @Test func anOwnerWithoutCREATEROLEGetsTheStatement() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            let name = try ConnectionString(owner)["user"] ?? ""
            try await test.run("ALTER ROLE \(name) NOCREATEROLE")
            let error = await #expect(throws: AccessProblem.self) { try await migrate(owner) }
            #expect(error?.description.contains("ALTER ROLE \"\(name)\" CREATEROLE") == true)
        }
    }
}
