import Foundation
import Logging
import MusterProtocol
import MusterSchema
import MusterStore
import MusterTestSupport
import Postgres
import TestSupport
import Testing

struct MigrationTests {
    @Test func twoMigratorsAtOnceApplyEachStepOnce() async throws {
        try await TestDatabase.withEmpty { test in
            let applied = try await withThrowingTaskGroup(of: [Int].self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        try await TestDatabase.open(test.ownerURL, connections: 1) { database in
                            try await Schema(database: database).migrate(logger: quietLogger, deadline: .soon)
                        }
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(applied.sorted() == Migration.all.map(\.version))
            try await TestDatabase.open(test.ownerURL) { database in
                try await Schema(database: database).check(deadline: .soon)
            }
        }
    }

    @Test func everyFileOfTheFolderIsAMigration() throws {
        let folder = Repository.file("sql")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".sql") }
        #expect(files.sorted() == Migration.all.map { "\($0.name).sql" })
        #expect(Migration.all.map(\.version) == Array(1...files.count))
        for migration in Migration.all {
            #expect(
                try migration.script
                    == String(contentsOf: folder.appending(path: "\(migration.name).sql"), encoding: .utf8))
        }
    }

    @Test func anOlderAndANewerSchemaAreRefusedByNumber() async throws {
        try await TestDatabase.withEmpty { test in
            try await TestDatabase.open(test.ownerURL) { database in
                let older = Schema(database: database, migrations: Array(Migration.all.prefix(3)))
                let served = Schema(database: database)
                await #expect(throws: SchemaMismatch.self) { try await served.check(deadline: .soon) }
                try await older.migrate(logger: quietLogger, deadline: .soon)
                try await expectMismatch(
                    served, says: ["schema 3", "schema \(served.current)", "muster-server migrate"])
                try await served.migrate(logger: quietLogger, deadline: .soon)
                try await served.check(deadline: .soon)
                try await expectMismatch(
                    older, says: ["schema \(served.current)", "schema 3", "as new as the database"])
            }
        }
    }

    private func expectMismatch(_ schema: Schema, says words: [String]) async throws {
        let error = await #expect(throws: SchemaMismatch.self) { try await schema.check(deadline: .soon) }
        for word in words { #expect(error?.description.contains(word) == true) }
    }

    @Test func aFailingMigrationChangesNothing() async throws {
        try await TestDatabase.with { test in
            try await TestDatabase.open(test.ownerURL) { database in
                let next = Migration.current + 1
                let broken = Migration(
                    version: next, name: "\(next)_broken", script: "CREATE TABLE half (n int4); SELECT 1 / 0;")
                let schema = Schema(database: database, migrations: Migration.all + [broken])
                await #expect(throws: PostgresError.self) {
                    try await schema.migrate(logger: quietLogger, deadline: .soon)
                }
                #expect(try await schema.version(deadline: .soon) == Migration.current)
                let half: [Bool] = try await database.read(deadline: .soon, "SELECT to_regclass('half') IS NULL") {
                    try $0.value(0)
                }
                #expect(half == [true])
            }
        }
    }

    @Test func aStepOfTheOwnerChangesTheRowsOfAllWorkspaces() async throws {
        try await TestDatabase.withPlainOwner { test, url in
            try await TestDatabase.open(url) { database in
                try await Schema(database: database).migrate(logger: quietLogger, deadline: .soon)
                for name in ["one", "two"] { _ = try await makeWorkspace(name, database) }
                let next = Migration.current + 1
                let rows = Migration(
                    version: next, name: "\(next)_rows",
                    script: "UPDATE api_key SET name = 'changed' WHERE name = 'admin';")
                let schema = Schema(database: database, migrations: Migration.all + [rows])
                #expect(try await schema.migrate(logger: quietLogger, deadline: .soon) == [next])
                let names: [String] = try await database.read(deadline: .soon, "SELECT name FROM api_key") {
                    try $0.value(0)
                }
                #expect(names == ["changed", "changed"])
                #expect(try await schema.facts(deadline: .soon).bypassesRLS == .owner)
            }
        }
    }

    @Test func existingWorkspacesGetAPageTokenKey() async throws {
        try await TestDatabase.withPlainOwner { _, url in
            try await TestDatabase.open(url) { database in
                let before = Schema(database: database, migrations: Array(Migration.all.prefix(8)))
                try await before.migrate(logger: quietLogger, deadline: .soon)
                try await database.transaction(deadline: .soon) { connection in
                    try connection.execute(
                        "INSERT INTO workspace (name, created_at) SELECT 'w' || n, now() FROM generate_series(1, 3) n")
                }
                try await Schema(database: database).migrate(logger: quietLogger, deadline: .soon)
                _ = try await makeWorkspace("new", database)
                let keys: [[UInt8]] = try await database.read(deadline: .soon, "SELECT key FROM page_token_key") {
                    try $0.value(0)
                }
                #expect(keys.count == 4 && Set(keys).count == 4 && keys.allSatisfy { $0.count == 32 })
            }
        }
    }

    /// The heads go on from the tables that they replace, also where a restore lost the policy by which the owner sees
    /// the rows of those.
    @Test func existingWorkspacesGetHeadsWithTheVersionsOfBefore() async throws {
        try await TestDatabase.withPlainOwner { _, url in
            try await TestDatabase.open(url) { database in
                let before = Schema(database: database, migrations: Array(Migration.all.prefix(15)))
                try await before.migrate(logger: quietLogger, deadline: .soon)
                try await database.transaction(deadline: .soon) { connection in
                    try connection.run(
                        script: """
                            INSERT INTO workspace (name, created_at) SELECT 'w' || n, now() FROM generate_series(1, 3) n;
                            INSERT INTO identity SELECT workspace_id, CASE name WHEN 'w1' THEN 7 ELSE 0 END FROM workspace;
                            INSERT INTO definitions SELECT workspace_id, CASE name WHEN 'w1' THEN 3 ELSE 0 END FROM workspace;
                            DROP POLICY owner_sees_all ON identity;
                            DROP POLICY owner_sees_all ON definitions;
                            """)
                }
                try await Schema(database: database).migrate(logger: quietLogger, deadline: .soon)
                _ = try await makeWorkspace("new", database)
                let heads: [String] = try await database.read(
                    deadline: .soon,
                    """
                    SELECT name || ' ' || kind || ' ' || version || CASE WHEN tag = 0 THEN '' ELSE ' tagged' END
                    FROM set_head JOIN workspace USING (workspace_id)
                    WHERE set_number BETWEEN 3 AND 5 ORDER BY name, set_number
                    """
                ) { try $0.value(0) }
                #expect(
                    heads == [
                        "new identity 0", "new definitions 0", "new identifiers 0",
                        "w1 identity 7 tagged", "w1 definitions 3 tagged", "w1 identifiers 1 tagged",
                        "w2 identity 0", "w2 definitions 0", "w2 identifiers 1 tagged",
                        "w3 identity 0", "w3 definitions 0", "w3 identifiers 1 tagged",
                    ])
                let distinct: [Int] = try await database.read(
                    deadline: .soon,
                    """
                    SELECT count(DISTINCT tag)::int FROM set_head WHERE tag <> 0
                    UNION ALL SELECT count(DISTINCT key)::int FROM identifier_digest_key
                    UNION ALL SELECT count(*)::int FROM pg_class WHERE relname IN ('identity', 'definitions')
                        AND relnamespace = current_schema()::regnamespace
                    """
                ) { try $0.value(0) }
                #expect(distinct == [5, 4, 0])
            }
        }
    }

    private func makeWorkspace(_ name: String, _ database: Database) async throws -> WorkspaceID? {
        try await Schema(database: database).createWorkspace(name: name, at: .now, deadline: .soon) { _ in
            NewKey(
                keyID: "k_1", digest: [UInt8](repeating: 7, count: 32), kind: .service, name: "admin", scopes: ["*"],
                createdAt: .now)
        }
    }
}
