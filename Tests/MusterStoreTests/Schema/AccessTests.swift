import MusterHandlers
import MusterSchema
import MusterTestSupport
import Postgres
import Testing

@testable import MusterStore

/// Owners, policies and grants in the states that operators bring them into, and what `migrate` makes of each.
struct AccessTests {
    /// With what `DROP OWNED` leaves of policies that name the old owner, and without it.
    @Test(arguments: ["", "DROP OWNED BY"])
    func anotherOwnerSeesNothingUntilItMigratesAndAllAfterwards(_ more: String) async throws {
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
                #expect(blind.count == 6, "\(blind)")
                // A step that changes rows is the first that a new owner may run.
                let next = Migration.current + 1
                let rows = Migration(
                    version: next, name: "\(next)_rows", script: "UPDATE api_key SET name = 'changed';")
                let log = LogRecord()
                try await migrate(url, Migration.all + [rows], log: log)
                #expect(try await names("SELECT name FROM api_key", url) == ["changed"])
                #expect(log.lines.contains { $0.hasPrefix("Access repaired part=policies") }, "\(log.lines)")
                #expect(try await accessProblem(url) == nil)
                #expect(try await verify(url) == [])
                try await expectNothingToRepair(url, Migration.all + [rows])
            }
        }
    }

    /// What a restore into another cluster leaves: no role, and so none of its policies and grants.
    @Test func aMissingServerRoleIsMadeWithAllThatItNeeds() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            try await withServerRole(test) { role in
                try await migrate(owner, role: role)
                try await makeWorkspace(owner)
                try await test.run("DROP OWNED BY \"\(role.name)\"; DROP ROLE \"\(role.name)\"")
                let log = LogRecord()
                try await migrate(owner, role: role, log: log)
                #expect(log.lines.first == "Server role created role=\(role.name)")
                #expect(log.lines.count { $0.hasPrefix("Access repaired") } == 2, "\(log.lines)")
                try await setPassword(role, owner)
                try await expectServes(try test.url(of: role.name))
                try await expectNothingToRepair(owner)
            }
        }
    }

    @Test func aRoleThatMayReadNothingIsToldOfGrantsAndNotOfAnotherSchema() async throws {
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

    @Test func theServerMayHaveAnyNameAndMoveToAnother() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            try await withServerRole(test) { first in
                try await migrate(owner, role: first)
                try await makeWorkspace(owner)
                #expect(try await owned(by: .standard, test) == [])
                try await setPassword(first, owner)
                try await expectServes(try test.url(of: first.name))
                try await withServerRole(test) { second in
                    try await migrate(owner, role: second)
                    try await setPassword(second, owner)
                    try await expectServes(try test.url(of: second.name))
                    #expect(try await owned(by: first, test) == [])
                    await #expect(throws: (any Error).self) {
                        try await expectServes(try test.url(of: first.name))
                    }
                    // Whoever doesn't say a name leaves it as it is.
                    try await expectNothingToRepair(owner)
                }
            }
        }
    }

    @Test func whereThePoliciesDontSayWhichRoleItMustBeSaid() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            try await withServerRole(test) { role in
                try await migrate(owner, role: role)
                try await test.withRole("NOLOGIN") { other in
                    try await run("ALTER POLICY one_workspace ON cohort TO \(other)", owner)
                    try await expectRefusal(owner, [role.name, other, "server_role"])
                    try await run("ALTER POLICY one_workspace ON cohort TO \"\(role.name)\"", owner)
                    try await expectNothingToRepair(owner)
                    // One that no setting can name.
                    try await test.run("ALTER ROLE \"\(role.name)\" RENAME TO \"\(other) x\"")
                    try await expectRefusal(owner, ["\(other) x", "server_role"])
                    #expect(try await owned(by: .standard, test) == [])
                    try await test.run("ALTER ROLE \"\(other) x\" RENAME TO \"\(role.name)\"")
                    try await expectNothingToRepair(owner)
                }
            }
        }
    }

    @Test func whateverWasChangedByHandIsPutRight() async throws {
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
            let log = LogRecord()
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

    /// A superuser who migrates makes tables of its own; they become the owner's.
    @Test func whatASuperuserAddsBelongsToTheOwner() async throws {
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

    /// Such as a copy of a table before a change by hand.
    @Test func tablesThatAreNotMustersAreLeftAlone() async throws {
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
    @Test func whoeverHoldsATableHoldsNobodyElseUpWhileAccessIsMended() async throws {
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

    @Test func aPolicyThatHidesRowsIsNamedAndNothingIsAnsweredBesideIt() async throws {
        try await TestDatabase.withPlainOwner { _, owner in
            try await migrate(owner)
            try await run("CREATE POLICY partly ON set_head AS RESTRICTIVE USING (set_number <> 16)", owner)
            #expect(try await accessProblem(owner)?.contains(#"DROP POLICY "partly" ON "set_head""#) == true)
            try await run("DROP POLICY partly ON set_head", owner)
            #expect(try await accessProblem(owner) == nil)
        }
    }

    @Test func whoCantMigrateIsToldWhomTheTablesBelongTo() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            try await migrate(owner)
            try await test.withRole("LOGIN CREATEROLE") { stranger in
                let error = await #expect(throws: AccessProblem.self) { try await migrate(try test.url(of: stranger)) }
                let name = try ConnectionString(owner)["user"] ?? "-"
                #expect(error?.description.hasSuffix("connect as \(name)") == true)
            }
            try await test.run("ALTER ROLE \(try ConnectionString(owner)["user"] ?? "") NOCREATEROLE")
            try await migrate(owner)
        }
    }

    @Test func theOwnerIsNoRoleForTheServerAndNothingIsDoneForIt() async throws {
        try await TestDatabase.withPlainOwner { _, owner in
            let name = try #require(ServerRole(try ConnectionString(owner)["user"] ?? ""))
            try await expectRefusal(owner, ["\(name.name) owns", "server_role"], role: name)
            #expect(try await names("SELECT relname::text FROM pg_class WHERE relname = 'migration'", owner) == [])
            try await migrate(owner)
            try await expectRefusal(owner, ["\(name.name) owns", "server_role"], role: name)
        }
    }

    @Test func anOwnerWhoMayNotCreateRolesIsToldTheStatement() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            let name = try ConnectionString(owner)["user"] ?? ""
            try await test.run("ALTER ROLE \(name) NOCREATEROLE")
            let error = await #expect(throws: AccessProblem.self) { try await migrate(owner) }
            #expect(error?.description.contains("ALTER ROLE \"\(name)\" CREATEROLE") == true)
        }
    }

    /// A new table, function or sequence must be known to what `migrate` puts right, and the steps must agree with it
    /// on all else.
    @Test func aMigratedDatabaseNeedsNoRepairAndHasNothingUnknownToIt() async throws {
        try await TestDatabase.withPlainOwner { _, owner in
            let log = LogRecord()
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

    @Test func verifyNamesTheRowsThatEachWorkspaceHas() async throws {
        try await TestDatabase.with { test in
            #expect(try await verify(test.ownerURL) == [])
            try await test.run("DELETE FROM set_head WHERE set_number = 2; DELETE FROM identity")
            let place = "workspace \(test.workspace.rawValue), "
            #expect(
                try await verify(test.ownerURL) == [
                    place + "set 2, the head of events is missing", place + "its row of identity is missing",
                ])
        }
    }

    /// As after a restore that failed in parts: foreign keys come last.
    @Test func verifyNamesHeadsAndWorkspacesThatARestoreLeftOut() async throws {
        try await TestDatabase.with { test in
            let place = "workspace \(test.workspace.rawValue), "
            try await test.run(
                """
                SET session_replication_role = replica;
                INSERT INTO cohort (workspace_id, partner, cohort_id, set_number, name, created_at)
                VALUES (\(test.workspace.rawValue), 'p', 'c', 16, 'c', now());
                """)
            #expect(try await verify(test.ownerURL) == [place + "set 16, the head of a cohort is missing"])
            try await test.run("SET session_replication_role = replica; DELETE FROM workspace")
            #expect(try await verify(test.ownerURL) == [place + "its row of workspace is missing"])
        }
    }

    @Test(arguments: [
        "", "pg_x", "public", "none", "a b", "a\"b", "a'b", "a%b", "ä", String(repeating: "a", count: 64),
    ])
    func aRoleNameThatNeedsMoreThanQuotesIsRefused(_ name: String) { #expect(ServerRole(name) == nil) }

    // MARK: Elsewhere than in public

    @Test(arguments: ["CREATE SCHEMA $owner AUTHORIZATION $owner", appSchema])
    func aServerThatDoesntFindTheTablesIsToldTheirSchema(_ script: String) async throws {
        try await withOwnSchema(script) { test, owner, schema in
            let said = try await checkProblem(test.serverURL)
            #expect(said?.contains("Muster's tables are in schema \(schema), which") == true, "\(said ?? "")")
            #expect(said?.contains("options='-c search_path=\(schema)'") == true, "\(said ?? "")")
            try await expectServes(try within(schema, test.serverURL))
            try await expectNothingToRepair(owner)
        }
    }

    /// As after a restore, which brings the schema and no role's settings.
    @Test func noSecondMusterIsMadeBesideOneThatIsNotFound() async throws {
        try await withOwnSchema(Self.appSchema) { test, owner, schema in
            let name = try ConnectionString(owner)["user"] ?? ""
            try await test.run("ALTER ROLE \(name) IN DATABASE \(try databaseName(test)) RESET search_path")
            try await expectElsewhere(owner, schema)
            let found = try within(schema, owner)
            try await expectNothingToRepair(found)
            #expect(try await verify(found) == [])
        }
    }

    @Test func aNewOwnerIsToldOfTheSchemaOfTheOldOne() async throws {
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
    @Test func aSchemaThatComesBeforeTheTablesIsNamed() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            try await migrate(owner)
            let name = try ConnectionString(owner)["user"] ?? ""
            try await test.run("CREATE SCHEMA \(name) AUTHORIZATION \(name)")
            try await expectElsewhere(owner, "public")
            try await expectNothingToRepair(try within("public", owner))
        }
    }

    @Test func aServerThatMayNotUseTheSchemaIsToldSo() async throws {
        try await TestDatabase.with { test in
            try await test.run("REVOKE ALL ON SCHEMA public FROM PUBLIC, muster_server")
            let said = try await checkProblem(test.serverURL)
            #expect(said?.contains("muster_server may not use the schema public") == true, "\(said ?? "")")
            #expect(said?.contains("`muster-server migrate`") == true, "\(said ?? "")")
        }
    }

    // MARK: Letting the server in

    @Test func aServerRoleThatMayNotComeInIsLetInAgain() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            try await withServerRole(test) { role in
                try await migrate(owner, role: role)
                try await makeWorkspace(owner)
                try await setPassword(role, owner)
                try await run("ALTER ROLE \"\(role.name)\" NOLOGIN", owner)
                try await run("REVOKE CONNECT ON DATABASE \(try databaseName(test)) FROM PUBLIC", owner)
                let log = LogRecord()
                try await migrate(owner, log: log)
                #expect(
                    log.lines == [
                        "Server role may log in again role=\(role.name)",
                        "Server role may connect to the database again role=\(role.name)",
                    ])
                try await expectServes(try test.url(of: role.name))
                try await expectNothingToRepair(owner)
            }
        }
    }

    @Test func whoMayNotLetTheServerInNamesTheStatement() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            try await withServerRole(test) { role in
                try await migrate(owner, role: role)
                let (name, database) = (try ConnectionString(owner)["user"] ?? "", try databaseName(test))
                try await test.run(
                    """
                    ALTER ROLE \(name) NOCREATEROLE; ALTER ROLE "\(role.name)" NOLOGIN;
                    ALTER DATABASE \(database) OWNER TO CURRENT_USER; GRANT CREATE ON SCHEMA public TO \(name);
                    REVOKE CONNECT ON DATABASE \(database) FROM PUBLIC;
                    GRANT CONNECT ON DATABASE \(database) TO \(name)
                    """)
                let log = LogRecord()
                try await migrate(owner, log: log)
                #expect(log.lines.count == 2, "\(log.lines)")
                #expect(log.lines.first?.contains("ALTER ROLE \"\(role.name)\" LOGIN") == true, "\(log.lines)")
                #expect(
                    log.lines.last?.contains("GRANT CONNECT ON DATABASE \(database) TO \"\(role.name)\"") == true,
                    "\(log.lines)"
                )
            }
        }
    }

    /// Where servers log in as members of it.
    @Test func aServerRoleThatIsAGroupStaysOne() async throws {
        try await TestDatabase.withPlainOwner { test, owner in
            try await withServerRole(test) { role in
                try await migrate(owner, role: role)
                try await test.withRole("LOGIN IN ROLE \"\(role.name)\"") { _ in
                    try await test.run("ALTER ROLE \"\(role.name)\" NOLOGIN")
                    try await expectNothingToRepair(owner)
                }
            }
        }
    }

    // MARK: Tools

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

    private func migrate(
        _ url: String, _ migrations: [Migration] = Migration.all, role: ServerRole? = nil, log: LogRecord = LogRecord()
    ) async throws {
        try await TestDatabase.open(url, connections: 1) { database in
            _ = try await Schema(database: database, migrations: migrations).migrate(
                serverRole: role, logger: log.logger, deadline: .soon)
        }
    }

    private func expectNothingToRepair(
        _ url: String, _ migrations: [Migration] = Migration.all, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let log = LogRecord()
        try await migrate(url, migrations, log: log)
        #expect(log.lines == [], sourceLocation: sourceLocation)
        let differences = try await TestDatabase.open(url, connections: 1) { database in
            try await Schema(database: database, migrations: migrations).accessDifferences(deadline: .soon)
        }
        #expect(differences == [], sourceLocation: sourceLocation)
    }

    /// Of `migrate`; a server that only looks logs the same.
    private func expectRefusal(
        _ url: String, _ words: [String], role: ServerRole? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let log = LogRecord()
        let error = await #expect(throws: AccessProblem.self, sourceLocation: sourceLocation) {
            try await migrate(url, role: role, log: log)
        }
        let said = error?.description ?? ""
        for word in words { #expect(said.contains(word), "\(said)", sourceLocation: sourceLocation) }
        #expect(log.lines == [], sourceLocation: sourceLocation)
        guard role == nil else { return }
        let differences = try await TestDatabase.open(url, connections: 1) { database in
            try await Schema(database: database).accessDifferences(deadline: .soon)
        }
        #expect(differences == [said], sourceLocation: sourceLocation)
    }

    /// Sees the rows of the workspace and no other, and may write.
    private func expectServes(_ url: String) async throws {
        try await TestDatabase.open(url, connections: 1) { database in
            let schema = Schema(database: database)
            try await schema.check(deadline: .soon)
            try await schema.checkAccess(deadline: .soon)
            let facts = try await schema.facts(deadline: .soon)
            #expect(facts.passesTheWall == nil)
            let store = Store(database: database, logger: quietLogger)
            #expect(try await store.verify(deadline: .soon).sets == 1)
            let workspace = try await schema.workspaces(deadline: .soon)[0].id
            _ = try await store.setPartner("p", PartnerChange(), at: .now, in: workspace, deadline: .soon)
            let outside = try await database.read(deadline: .soon, "SELECT count(*) FROM set_head") {
                try $0.value(0, as: Int.self)
            }
            #expect(outside == [0])
        }
    }

    private func accessProblem(_ url: String) async throws -> String? {
        try await TestDatabase.open(url, connections: 1) { database in
            do { try await Schema(database: database).checkAccess(deadline: .soon) } catch let error as AccessProblem {
                return error.description
            }
            return nil
        }
    }

    private func verify(_ url: String) async throws -> [String] {
        try await TestDatabase.open(url, connections: 1) { database in
            try await Store(database: database, logger: quietLogger).verify(deadline: .soon).problems
        }
    }

    private func makeWorkspace(_ url: String) async throws {
        try await TestDatabase.open(url, connections: 1) { database in
            _ = try await NewWorkspace.make(name: "one", with: Schema(database: database), deadline: .soon)
        }
    }

    private func setPassword(_ role: ServerRole, _ url: String) async throws {
        try await TestDatabase.open(url, connections: 1) { database in
            _ = try await Schema(database: database).setPassword(
                "x", of: role, changesShared: false, deadline: .soon, isAccepted: { false })
        }
    }

    /// What names a role in this database, by the catalog that keeps a role from being dropped.
    private func owned(by role: ServerRole, _ test: TestDatabase) async throws -> [String] {
        try await names(
            """
            SELECT classid::regclass::text || ' ' || objid FROM pg_shdepend JOIN pg_roles r ON r.oid = refobjid
            JOIN pg_database d ON d.oid = dbid
            WHERE refclassid = 'pg_authid'::regclass AND rolname = \(role.name) AND datname = current_database()
            """, test.ownerURL)
    }
}
