import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// Tables in another schema than `public`, and what a server or an owner that does not find them reports.
struct SchemaAccessTests {
    @Test(arguments: ["CREATE SCHEMA $owner AUTHORIZATION $owner", appSchema])
    func aServerThatDoesNotFindTheTablesGetsTheirSchema(_ script: String) async throws {
        try await withOwnSchema(script) { test, owner, schema in
            let said = try await checkProblem(test.serverURL)
            #expect(said?.contains("Muster's tables are in schema \(schema), which") == true, "\(said ?? "")")
            #expect(said?.contains("options='-c search_path=\(schema)'") == true, "\(said ?? "")")
            try await expectServes(try within(schema, test.serverURL))
            try await expectNothingToRepair(owner)
        }
    }

    /// As after a restore, which brings the schema and no role's settings.
    @Test func noSecondSetOfTablesIsCreated() async throws {
        try await withOwnSchema(Self.appSchema) { test, owner, schema in
            let name = try ConnectionString(owner)["user"] ?? ""
            try await test.run("ALTER ROLE \(name) IN DATABASE \(try databaseName(test)) RESET search_path")
            try await expectElsewhere(owner, schema)
            let found = try within(schema, owner)
            try await expectNothingToRepair(found)
            #expect(try await verify(found) == [])
        }
    }

    @Test func aNewOwnerGetsTheSchemaOfTheOldOne() async throws {
        try await withOwnSchema("CREATE SCHEMA $owner AUTHORIZATION $owner") { test, first, schema in
            try await test.withRole("LOGIN CREATEROLE") { second in
                try await test.run(
                    "REASSIGN OWNED BY \(try ConnectionString(first)["user"] ?? "") TO \(second); GRANT CREATE ON SCHEMA public TO \(second)"
                )
                let url = try test.url(of: second)
                try await expectElsewhere(url, schema)
                let found = try within(schema, url)
                try await migrate(found)
                #expect(try await verify(found) == [])
                try await expectNothingToRepair(found)
            }
        }
    }

    /// A schema that comes before the one of the tables would get what later steps make.
    @Test func aSchemaEarlierInTheSearchPathIsNamed() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            try await migrate(owner)
            let name = try ConnectionString(owner)["user"] ?? ""
            try await test.run("CREATE SCHEMA \(name) AUTHORIZATION \(name)")
            try await expectElsewhere(owner, "public")
            try await expectNothingToRepair(try within("public", owner))
        }
    }

    @Test func aServerWithoutUsageOfTheSchemaIsReported() async throws {
        try await TestDatabase.with { test in
            try await test.run("REVOKE ALL ON SCHEMA public FROM PUBLIC, muster_server")
            let said = try await checkProblem(test.serverURL)
            #expect(said?.contains("muster_server may not use the schema public") == true, "\(said ?? "")")
            #expect(said?.contains("`muster-server migrate`") == true, "\(said ?? "")")
        }
    }

    private static let appSchema = """
        CREATE SCHEMA app AUTHORIZATION $owner; ALTER ROLE $owner IN DATABASE $database SET search_path = app
        """

    /// Runs `body` with a database that is migrated, with a workspace, after the script; and the owner's connection
    /// string and the schema of the tables.
    private func withOwnSchema(
        _ script: String, _ body: (TestDatabase, String, String) async throws -> Void
    ) async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            let name = try ConnectionString(owner)["user"] ?? ""
            try await test.run(
                script.replacing("$owner", with: name).replacing("$database", with: try databaseName(test)))
            try await migrate(owner)
            try await makeWorkspace(owner)
            let schemas = try await names(
                "SELECT nspname::text FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relname = 'migration'",
                test.ownerURL)
            let schema = try #require(schemas.first)
            #expect(schema != "public")
            try await body(test, owner, schema)
        }
    }

    /// The connection string with the option that is advised.
    private func within(_ schema: String, _ url: String) throws -> String {
        var url = try ConnectionString(url)
        url["options"] = "-c search_path=\(schema)"
        return url.text
    }

    private func checkProblem(_ url: String) async throws -> String? {
        try await TestDatabase.open(url, connections: 1) { database in
            do { try await Schema(database: database).check(deadline: .soon) } catch { return "\(error)" }
            return nil
        }
    }

    /// Of `migrate`, which makes nothing.
    private func expectElsewhere(
        _ url: String, _ schema: String, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let tables: SQL = "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'migration'"
        let error = await #expect(throws: AccessProblem.self, sourceLocation: sourceLocation) { try await migrate(url) }
        let said = error?.description ?? ""
        #expect(
            said.contains("Muster's tables are in schema \(schema), which"), "\(said)", sourceLocation: sourceLocation)
        #expect(said.contains("options='-c search_path=\(schema)'"), "\(said)", sourceLocation: sourceLocation)
        #expect(try await names(tables, url) == [schema], sourceLocation: sourceLocation)
    }
}
