import MusterHandlers
import MusterREST
import MusterSchema
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore
@testable import muster_server

/// A database that was migrated before the servers of it were replaced.
struct UpgradeTests {
    private static let next = Migration.current + 1
    private static let adding = Migration(
        version: next, name: "\(next)_adds",
        script: "ALTER TABLE partner ADD note text; CREATE TABLE noted (workspace_id int4 NOT NULL PRIMARY KEY);",
        onlyAdds: true)
    private static let changing = Migration(
        version: next + 1, name: "\(next + 1)_changes", script: "ALTER TABLE partner RENAME note TO remark;")

    @Test func aServerServesANewerSchemaThatOnlyAdds() async throws {
        try await TestDatabase.with { test in
            try await migrate(test.ownerURL, Migration.all + [Self.adding])
            try await TestDatabase.open(test.serverURL) { database in
                let schema = Schema(database: database)
                try await schema.check(deadline: .soon)
                #expect(try await schema.version(deadline: .soon) == Self.next)
                #expect(await schema.readiness().schema)
            }
            // Older commands do their work too, and leave alone what they don't know: a newer step may give the server
            // less.
            try await test.run("REVOKE DELETE ON partner FROM muster_server")
            try await TestDatabase.open(test.ownerURL, connections: 1) { database in
                let schema = Schema(database: database)
                let log = CapturedLog()
                let applied = try await schema.migrate(logger: log.logger, deadline: .soon)
                #expect(applied == [])
                #expect(
                    log.lines == [
                        "Newer schema left alone, with its roles, policies and grants schema=\(Self.next) served=\(Migration.current)"
                    ])
                #expect(try await schema.accessDifferences(deadline: .soon) == [])
                #expect(try await NewWorkspace.make(name: "new", with: schema, deadline: .soon).keyID.isEmpty == false)
            }
        }
    }

    @Test func anUnreadableSchemaIsNotReportedAsAnotherOne() async throws {
        try await TestDatabase.with { test in
            try await test.run("REVOKE SELECT ON migration FROM muster_server")
            try await TestDatabase.open(test.serverURL) { database in
                let readiness = await Schema(database: database).readiness()
                #expect(readiness.postgres && !readiness.schema)
                #expect(readiness.cause?.contains("may not read the table migration") == true)
            }
        }
    }

    @Test func oneChangingStepIsEnoughToRefuseIt() async throws {
        try await TestDatabase.with { test in
            try await migrate(test.ownerURL, Migration.all + [Self.adding, Self.changing])
            try await TestDatabase.open(test.serverURL) { database in
                let schema = Schema(database: database)
                let error = await #expect(throws: SchemaMismatch.self) { try await schema.check(deadline: .soon) }
                #expect(error?.description.contains("does more than add") == true)
                let readiness = await schema.readiness()
                #expect(readiness.postgres && !readiness.schema)
                #expect(readiness.cause?.contains("does more than add") == true)
                // A server that knows the first of them goes on no more than one that knows neither.
                let middle = Schema(database: database, migrations: Migration.all + [Self.adding])
                await #expect(throws: SchemaMismatch.self) { try await middle.check(deadline: .soon) }
            }
            try await TestDatabase.open(test.ownerURL, connections: 1) { database in
                _ = await #expect(throws: SchemaMismatch.self) {
                    try await Schema(database: database).migrate(logger: quietLogger, deadline: .soon)
                }
            }
        }
    }

    /// The column came with a step; those before it say nothing and are taken for changes.
    @Test func aDatabaseWithoutTheColumnIsReadToo() async throws {
        try await TestDatabase.withEmpty { test in
            try await TestDatabase.open(test.ownerURL, connections: 1) { database in
                let old = Schema(
                    database: database, migrations: Array(Migration.all.prefix(Migration.onlyAddsVersion - 1)))
                try await old.migrate(logger: quietLogger, deadline: .soon)
                try await old.check(deadline: .soon)
                let older = Schema(database: database, migrations: Array(old.migrations.dropLast()))
                await #expect(throws: SchemaMismatch.self) { try await older.check(deadline: .soon) }
                let served = Schema(database: database)
                await #expect(throws: SchemaMismatch.self) { try await served.check(deadline: .soon) }
                try await served.migrate(logger: quietLogger, deadline: .soon)
                try await served.check(deadline: .soon)
            }
        }
    }

    @Test func eachStepIsRecordedWithItsFlag() async throws {
        try await TestDatabase.with { test in
            let adding = try await names(
                "SELECT name FROM migration WHERE only_adds ORDER BY version", test.ownerURL)
            #expect(adding == Migration.all.filter(\.onlyAdds).map(\.name))
        }
    }

    private func migrate(_ url: String, _ migrations: [Migration]) async throws {
        try await TestDatabase.open(url, connections: 1) { database in
            _ = try await Schema(database: database, migrations: migrations).migrate(
                logger: quietLogger, deadline: .soon)
        }
    }
}
