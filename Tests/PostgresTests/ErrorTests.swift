import Foundation
import Logging
import Postgres
import TestSupport
import Testing

@Suite struct ErrorTests {
    private let tables = """
        CREATE TABLE t (id text CONSTRAINT id_is_new PRIMARY KEY, age int4 CONSTRAINT age_is_sane CHECK (age < 200));
        INSERT INTO t VALUES ('secret', 1)
        """

    @Test func theDescriptionShowsNoValue() async throws {
        try await withSchema(script: tables) { database in
            let statements: [SQL] = [
                "INSERT INTO t VALUES (\("secret"), 2)", "INSERT INTO t VALUES (\("x-secret"), 500)",
                "SELECT \("secret")::int4", "SELECT \("secret")::timestamptz", "SELECT (\(#"{"secret":"#))::jsonb",
                "SELECT * FROM t WHERE id = \("secret") AND 1 / (age - 1) = 0",
            ]
            for sql in statements {
                let error = try await failure { try await database.transaction(deadline: soon) { try $0.execute(sql) } }
                var dumped = ""
                dump(error, to: &dumped)
                for shown in ["\(error)", String(reflecting: error), dumped, "\(error as any Error)"] {
                    #expect(!shown.contains("secret"))
                    #expect(shown.contains(error.sqlState?.rawValue ?? "no state"))
                }
            }
            let raised = try await failure {
                try await database.transaction(deadline: soon) {
                    try $0.run(script: "DO $$ BEGIN RAISE 'secret'; END $$")
                }
            }
            #expect(!"\(raised)".contains("secret"))
            #expect(raised.message == "secret")
        }
    }

    @Test func errorsAreCountedByClassAndKind() async throws {
        try await withSchema(script: tables) { database in
            let statements: [SQL] = [
                "INSERT INTO t VALUES ('secret', 2)", "INSERT INTO t VALUES ('x', 500)", "SELECT 1 / 0", "SELEC",
                "DO $$ BEGIN RAISE 'x' USING ERRCODE = 'ZZ999'; END $$",
            ]
            for sql in statements {
                _ = try await failure { try await database.transaction(deadline: soon) { try $0.execute(sql) } }
            }
            _ = try await failure { try await database.transaction(deadline: .now) { try $0.execute("SELECT 1") } }
            #expect(database.errorCounts == ["23": 2, "22": 1, "42": 1, "other": 1, "deadlineExceeded": 1])
        }
    }

    @Test func theErrorCarriesTheServersFields() async throws {
        try await withSchema(script: tables) { database in
            let error = try await failure {
                try await database.transaction(deadline: soon) { try $0.execute("INSERT INTO t VALUES ('secret', 2)") }
            }
            #expect(error.kind == .server)
            #expect(error.severity == "ERROR")
            #expect(error.table == "t")
            #expect(error.constraint == "id_is_new")
            #expect(error.detail?.contains("secret") == true)
            #expect("\(error)".contains("id_is_new"))
            #expect(!error.isTransient)
        }
    }

    @Test func aCatchCanMatchTheCondition() async throws {
        try await withSchema(script: tables) { database in
            let caught: String
            do {
                try await database.transaction(deadline: soon) { connection in
                    try connection.execute("INSERT INTO t VALUES ('new', 200)")
                }
                caught = "none"
            } catch SQLState.uniqueViolation { caught = "unique" } catch SQLState.checkViolation { caught = "check" }
            #expect(caught == "check")
        }
    }

    @Test func noticesGoToTheLogWithoutDetail() async throws {
        let log = CapturedLog(level: .trace)
        let database = Database(DatabaseSettings(connectionString: try databaseURL()), logger: log.logger)
        let script = "DO $$ BEGIN RAISE WARNING 'careful' USING DETAIL = 'secret'; END $$"
        try await database.transaction(deadline: soon) { try $0.run(script: script) }
        await database.close()
        #expect(log.lines.contains { $0.contains("careful") || $0.contains("01000") })
        #expect(!log.lines.contains { $0.contains("secret") })
    }
}
