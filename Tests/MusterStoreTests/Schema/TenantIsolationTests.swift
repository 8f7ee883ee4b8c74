import MusterProtocol
import MusterStore
import MusterTestSupport
import Postgres
import TestSupport
import Testing

struct TenantIsolationTests {
    @Test func withoutAWorkspaceTheServerSeesNothing() async throws {
        try await TestDatabase.with { test in
            try await seed(test)
            try await TestDatabase.open(test.serverURL) { database in
                let counts = try await rowCounts(database, workspace: nil)
                #expect(counts.count >= 18)
                for (table, count) in counts { #expect(count == 0, "\(table)") }
                let own = try await rowCounts(database, workspace: test.workspace)
                #expect(own["api_key"] == 1)
                #expect(own["set_head"] == 6)
            }
        }
    }

    @Test func aRowOfAnotherWorkspaceCantBeWritten() async throws {
        try await TestDatabase.with { test in
            let foreign = try await test.makeWorkspace("other")
            try await TestDatabase.open(test.serverURL) { database in
                let error = await #expect(throws: PostgresError.self) {
                    try await database.transaction(
                        variables: [("muster.workspace", "\(test.workspace.rawValue)")], deadline: .soon
                    ) { connection in
                        try connection.execute(
                            """
                            INSERT INTO partner (workspace_id, partner, display_name, created_at)
                            VALUES (\(foreign), 'p', 'p', now())
                            """)
                    }
                }
                #expect(error?.sqlState == .insufficientPrivilege)
            }
        }
    }

    @Test func theSettingDoesNotOutliveItsTransaction() async throws {
        try await TestDatabase.with { test in
            try await TestDatabase.open(test.serverURL, connections: 1) { database in
                let inside = try await rowCounts(database, workspace: test.workspace)
                let after = try await rowCounts(database, workspace: nil)
                #expect(inside["identifier_digest_key"] == 1)
                #expect(after["identifier_digest_key"] == 0)
            }
        }
    }

    @Test func everyTableOfAWorkspaceHasRowSecurityAndKeysLedByIt() async throws {
        try await TestDatabase.with { test in
            try await TestDatabase.open(test.ownerURL) { database in
                let outside = try await names(database, Self.tablesOutside)
                #expect(outside == ["migration", "workspace"])
                for query in [Self.tablesWithoutWall, Self.uniquesNotLed, Self.ownedByServer] {
                    #expect(try await names(database, query) == [])
                }
            }
        }
    }

    @Test func theServersRoleOwnsNothingAndTheOwnerIsReported() async throws {
        try await TestDatabase.with { test in
            let server = try await TestDatabase.open(test.serverURL) { database in
                try await Schema(database: database).facts(deadline: .soon)
            }
            #expect(server.bypassesRLS == nil)
            #expect(server.encoding == "UTF8")
            let owner = try await TestDatabase.open(test.ownerURL) { database in
                try await Schema(database: database).facts(deadline: .soon)
            }
            #expect(owner.bypassesRLS != nil)
        }
    }

    // MARK: Catalog

    private static let tablesOutside: SQL = """
        SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
            AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'workspace_id'
                AND relname <> 'workspace')
        ORDER BY 1
        """

    private static let tablesWithoutWall: SQL = """
        SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
            AND relname NOT IN ('workspace', 'migration') AND NOT (relrowsecurity AND relforcerowsecurity)
        """

    private static let uniquesNotLed: SQL = """
        SELECT indexrelid::regclass::text FROM pg_index
        JOIN pg_class ON pg_class.oid = indrelid
        JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
        WHERE relnamespace = 'public'::regnamespace AND relname NOT IN ('workspace', 'migration')
            AND attname <> 'workspace_id'
        """

    private static let ownedByServer: SQL = """
        SELECT relname::text FROM pg_class WHERE relowner = 'muster_server'::regrole
        """

    private func names(_ database: Database, _ sql: SQL) async throws -> [String] {
        try await database.read(deadline: .soon, sql) { try $0.value(0) }
    }

    /// Rows that the role sees in each walled table.
    private func rowCounts(_ database: Database, workspace: WorkspaceID?) async throws -> [String: Int] {
        let counts = try await database.figures(
            "SELECT count(*) FROM %1$I", tables: "relname NOT IN ('workspace', 'migration') AND NOT relispartition",
            variables: workspace.map { [("muster.workspace", "\($0.rawValue)")] } ?? [])
        return counts.compactMapValues { Int($0) }
    }

    private func seed(_ test: TestDatabase) async throws {
        try await test.withStore { store in
            _ = try await store.in(test.workspace).partners.set("p", PartnerChange(), at: .now)
        }
    }
}
