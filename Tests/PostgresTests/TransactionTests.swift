import Postgres
import Testing

@Suite struct TransactionTests {
    private struct Stop: Error {}

    @Test func theClosureIsTheTransaction() async throws {
        try await withSchema(script: "CREATE TABLE t (id int4 PRIMARY KEY, name text)") { database in
            try await database.transaction(deadline: soon) { connection in
                try connection.execute("INSERT INTO t VALUES (\(Int32(1)), \("one")), (2, \(String?.none))")
            }
            await #expect(throws: Stop.self) {
                try await database.transaction(deadline: soon) { connection in
                    try connection.execute("DELETE FROM t")
                    throw Stop()
                }
            }
            let rows = try await database.read(deadline: soon, "SELECT id, name FROM t ORDER BY id") { row in
                (try row.value(0, as: Int.self), try row.value(1, as: String?.self))
            }
            #expect(rows.map(\.0) == [1, 2])
            #expect(rows.map(\.1) == ["one", nil])
        }
    }

    @Test func variablesLastAsLongAsTheTransaction() async throws {
        let current: SQL = "SELECT current_setting('muster.workspace', true), current_setting('statement_timeout')"
        try await withDatabase { settings in
            settings.connections = 1
        } _: { database in
            let read = try await database.read(variables: [("muster.workspace", "a'b")], deadline: soon, current) {
                try $0.value(0, as: String.self)
            }
            #expect(read == ["a'b"])
            let inside = try await database.transaction(variables: [("muster.workspace", "w")], deadline: soon) {
                try $0.query(current) { try $0.value(0, as: String.self) }
            }
            #expect(inside == ["w"])
            let after = try await database.withConnection(deadline: soon) {
                try $0.first("SELECT coalesce(current_setting('muster.workspace', true), '')") {
                    try $0.value(0, as: String.self)
                }
            }
            #expect(after == "")
        }
    }

    @Test func isolationIsReadCommittedWhateverTheServersDefault() async throws {
        try await withDatabase { settings in
            settings.sessionSettings["default_transaction_isolation"] = "serializable"
        } _: { database in
            let level = try await database.transaction(deadline: soon) {
                try $0.first("SHOW transaction_isolation") { try $0.value(0, as: String.self) }
            }
            #expect(level == "read committed")
        }
    }

    @Test func readCannotWrite() async throws {
        try await withSchema(script: "CREATE TABLE t (id int4)") { database in
            let error = try await failure {
                _ = try await database.read(deadline: soon, "INSERT INTO t VALUES (1) RETURNING id") { _ in }
            }
            #expect(error.sqlState == .readOnlyTransaction)
        }
    }

    @Test func aFailureThatTheClosureHidesIsNotACommit() async throws {
        try await withSchema(script: "CREATE TABLE t (id int4 PRIMARY KEY)") { database in
            let error = try await failure {
                try await database.transaction(deadline: soon) { connection in
                    try connection.execute("INSERT INTO t VALUES (1)")
                    try? connection.execute("INSERT INTO t VALUES (1)")
                }
            }
            #expect(error.kind == .notCommitted)
            #expect(try await database.read(deadline: soon, "SELECT id FROM t") { _ in }.isEmpty)
        }
    }

    @Test func aTransactionThatTheClosureEndedIsNotACommit() async throws {
        try await withDatabase { database in
            let error = try await failure {
                try await database.transaction(deadline: soon) { connection in
                    try connection.execute("SELECT 1")
                    try connection.run(script: "ROLLBACK")
                }
            }
            #expect(error.kind == .notCommitted)
        }
    }

    @Test func aConstraintThatFailsAtCommitIsAnError() async throws {
        let tables = "CREATE TABLE t (id int4, CONSTRAINT once UNIQUE (id) DEFERRABLE INITIALLY DEFERRED)"
        try await withSchema(script: tables) { database in
            let error = try await failure {
                try await database.transaction(deadline: soon) { try $0.execute("INSERT INTO t VALUES (1), (1)") }
            }
            #expect(error.kind == .server)
            #expect(error.constraint == "once")
        }
    }

    @Test func sessionStateIsResetAfterUse() async throws {
        try await withDatabase { settings in
            settings.connections = 1
        } _: { database in
            try await database.withConnection(deadline: soon) { connection in
                try connection.execute("SET work_mem = '123kB'")
                try connection.execute("CREATE TEMP TABLE leftover ()")
                try connection.execute("BEGIN")
            }
            let after = try await database.read(
                deadline: soon, "SELECT current_setting('work_mem'), to_regclass('leftover')::text"
            ) { (try $0.value(0, as: String.self), try $0.value(1, as: String?.self)) }
            #expect(after.first?.0 != "123kB")
            #expect(after.first?.1 == nil)
        }
    }

    @Test func vacuumRunsOutsideOfTransactions() async throws {
        try await withSchema(script: "CREATE TABLE t (id int4)") { database in
            try await database.withConnection(deadline: soon) { try $0.execute("VACUUM t") }
        }
    }
}
