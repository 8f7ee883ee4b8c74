import MusterHandlers
import MusterProtocol
import MusterSchema
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// Policies, grants and row security that were changed by hand, and what `migrate` repairs.
struct AccessTests {
    @Test func aRoleWithoutGrantsIsNotReportedAsAnotherSchema() async throws {
        try await TestDatabase.with { test in
            try await test.withRole("LOGIN") { role in
                try await TestDatabase.open(try test.url(of: role)) { database in
                    let error = await #expect(throws: AccessProblem.self) {
                        try await Schema(database: database).check(deadline: .soon)
                    }
                    #expect(error?.description.contains("may not read the table migration") == true)
                    #expect(error?.description.contains("server_role") == true)
                }
            }
        }
    }

    @Test func changesByHandAreRepaired() async throws {
        try await TestDatabase.with { test in
            try await test.run(
                """
                ALTER TABLE segment NO FORCE ROW LEVEL SECURITY;
                ALTER TABLE user_event_rest DISABLE ROW LEVEL SECURITY;
                ALTER TABLE workspace ENABLE ROW LEVEL SECURITY;
                DROP POLICY one_workspace ON cohort;
                ALTER POLICY one_workspace ON api_key USING (true);
                ALTER POLICY one_workspace ON partner TO PUBLIC;
                DROP POLICY owner_sees_all ON user_event_rest;
                GRANT TRUNCATE ON set_change TO muster_server;
                GRANT ALL ON user_event_rest, page_token_key TO muster_server;
                REVOKE INSERT ON set_head FROM muster_server;
                REVOKE ALL ON migration FROM muster_server;
                REVOKE ALL ON SEQUENCE set_number FROM muster_server;
                GRANT EXECUTE ON FUNCTION drop_event_months(timestamptz, int8), wall_event_partition TO PUBLIC;
                REVOKE ALL ON SCHEMA public FROM PUBLIC, muster_server;
                """)
            let log = CapturedLog()
            try await migrate(test.ownerURL, log: log)
            let parts = log.lines.map { $0.split(separator: " server_role").first.map(String.init) ?? "" }
            #expect(
                parts == [
                    "Access repaired part=row security", "Access repaired part=policies", "Access repaired part=grants",
                ])
            try await expectServes(test.serverURL)
            try await expectNothingToRepair(test.ownerURL)
        }
    }

    /// Such as a copy of a table before a change by hand.
    @Test func foreignTablesAreLeftAlone() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            try await withServerRole(test) { role in
                try await migrate(owner, role: role)
                try await makeWorkspace(owner)
                try await setPassword(role, owner)
                try await run("CREATE TABLE segment_backup AS TABLE segment", owner)
                try await test.run("CREATE TABLE of_another (workspace_id int4)")
                try await expectServes(try test.url(of: role.name))
                #expect(try await accessProblem(owner) == nil)
                try await expectNothingToRepair(owner)
                try await test.run("ALTER TABLE of_another OWNER TO \"\(role.name)\"")
                try await expectServes(try test.url(of: role.name))
            }
        }
    }

    /// As `pg_dump` does, a transaction holds a table that is mended after others.
    @Test func aLockedTableDoesNotBlockOtherCallsDuringRepair() async throws {
        try await TestDatabase.with { test in
            try await test.run("DROP POLICY one_workspace ON cohort; DROP POLICY one_workspace ON segment")
            try await TestDatabase.open(test.ownerURL, connections: 3) { database in
                let held = AsyncStream<Void>.makeStream()
                var schema = Schema(database: database)
                schema.mending = MendingPatience(lockTimeoutMilliseconds: 300, attempts: 2, pause: .milliseconds(200))
                let impatient = schema
                schema.mending.attempts = 1000
                let patient = schema
                let holder = Task {
                    try await database.transaction(deadline: .soon) { connection in
                        try connection.execute("LOCK TABLE segment IN ACCESS SHARE MODE")
                        held.continuation.finish()
                        while try connection.first(
                            "SELECT count(*) = 0 FROM pg_class WHERE relname = 'let_go'", { try $0.value(0) }) == true
                        {
                            try connection.execute("SELECT pg_sleep(0.05)")
                        }
                    }
                }
                for await _ in held.stream {}
                let error = await #expect(throws: AccessProblem.self) {
                    try await impatient.migrate(logger: quietLogger, deadline: .soon)
                }
                #expect(error?.description.contains("pg_dump") == true)
                let migrating = Task { try await patient.migrate(logger: quietLogger, deadline: .soon) }
                // More than one attempt of it falls into these; each call waits for one at most.
                for _ in 0..<10 {
                    try await database.transaction(lockTimeoutMilliseconds: 5000, deadline: .soon) {
                        try $0.execute("SELECT FROM cohort")
                    }
                    try await Task.sleep(for: .milliseconds(100))
                }
                try await test.run("CREATE TABLE let_go ()")
                try await holder.value
                _ = try await migrating.value
            }
            try await expectNothingToRepair(test.ownerURL)
        }
    }

    @Test func aPolicyThatHidesRowsIsNamed() async throws {
        try await TestDatabase.withPlainOwner { _, owner in
            try await migrate(owner)
            try await run("CREATE POLICY partly ON set_head AS RESTRICTIVE USING (set_number <> 16)", owner)
            #expect(try await accessProblem(owner)?.contains(#"DROP POLICY "partly" ON "set_head""#) == true)
            try await run("DROP POLICY partly ON set_head", owner)
            #expect(try await accessProblem(owner) == nil)
        }
    }

    /// A new table, function or sequence must be known to what `migrate` puts right, and the steps must agree with it
    /// on all else.
    @Test func aMigratedDatabaseNeedsNoRepairAndHasNoUnknownObjects() async throws {
        try await TestDatabase.withPlainOwner { _, owner in
            let log = CapturedLog()
            try await migrate(owner, log: log)
            #expect(
                log.lines == Migration.all.map { "Migration applied migration=\($0.name) only_adds=\($0.onlyAdds)" })
            try await expectNothingToRepair(owner)
            let tables: SQL = """
                SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                EXCEPT SELECT relname::text FROM (\(OwnTables.query)) t
                """
            #expect(try await names(tables, owner) == [])
            let others: SQL = """
                SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace UNION ALL
                SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('r', 'p', 'i', 'I')
                ORDER BY 1
                """
            #expect(
                try await names(others, owner) == [
                    "add_event_month", "add_event_months", "drop_event_months", "expired_event_months", "set_number",
                    "wall_event_partition", "workspace_workspace_id_seq",
                ])
        }
    }
}
