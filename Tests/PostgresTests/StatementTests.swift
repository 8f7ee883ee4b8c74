import Postgres
import Testing

@Suite struct StatementTests {
    private func one(_ settings: inout DatabaseSettings) { settings.connections = 1 }

    @Test func aStatementIsPreparedOnceForItsTextAndTypes() async throws {
        try await withDatabase(one) { database in
            let names = try await database.transaction(deadline: soon) { connection in
                for number in 0..<3 { try connection.execute("SELECT \(number) AS marked") }
                try connection.execute("SELECT \("text") AS marked")
                return try connection.query(
                    "SELECT name FROM pg_prepared_statements WHERE statement = 'SELECT $1 AS marked'"
                ) { try $0.value(0, as: String.self) }
            }
            #expect(names.count == 2)
        }
    }

    /// Behind a pooler that mixes sessions up, a name that two of them have would run another's statement.
    @Test func statementNamesDifferBetweenConnections() async throws {
        @Sendable func names(_ connection: borrowing Connection) throws -> [String] {
            for number in 0..<3 { try connection.execute("SELECT \(number) AS marked") }
            try connection.execute("SELECT 1")
            return try connection.query("SELECT name FROM pg_prepared_statements") { try $0.value(0) }
        }
        try await withDatabase(one) { first in
            try await withDatabase(one) { second in
                let some = try await first.transaction(deadline: soon, names)
                let others = try await second.transaction(deadline: soon, names)
                #expect(some.count >= 3 && some.count == others.count)
                #expect(Set(some).isDisjoint(with: others), "\(some) \(others)")
            }
        }
    }

    @Test func theCacheIsBounded() async throws {
        try await withDatabase { settings in
            settings.connections = 1
            settings.statementCacheCapacity = 8
        } _: { database in
            let statements: [SQL] = [
                "SELECT 1", "SELECT 2", "SELECT 3", "SELECT 4", "SELECT 5", "SELECT 6", "SELECT 7", "SELECT 8",
                "SELECT 9",
                "SELECT 10", "SELECT 11", "SELECT 12",
            ]
            let kept = try await database.transaction(deadline: soon) { connection in
                for _ in 0..<2 {
                    for (index, sql) in statements.enumerated() {
                        let value = try connection.first(sql) { try $0.value(0, as: Int.self) }
                        #expect(value == index + 1)
                    }
                }
                return try connection.first("SELECT count(*) FROM pg_prepared_statements") {
                    try $0.value(0, as: Int.self)
                }
            }
            #expect(try #require(kept) <= 8)
        }
    }

    @Test func aChangedTableIsPreparedAgain() async throws {
        try await withSchema(one, script: "CREATE TABLE t (id int4); INSERT INTO t VALUES (1)") { database in
            let all: SQL = "SELECT * FROM t"
            func columns() async throws -> [Int] {
                try await database.transaction(deadline: soon) { try $0.query(all) { $0.count } }
            }
            #expect(try await columns() == [1])
            try await database.transaction(deadline: soon) { try $0.execute("ALTER TABLE t ADD COLUMN name text") }
            #expect(try await columns() == [2])
            try await database.transaction(deadline: soon) { try $0.execute("ALTER TABLE t DROP COLUMN name") }
            #expect(try await database.read(deadline: soon, all) { $0.count } == [1])
        }
    }

    @Test func lostStatementsArePreparedAgainButNotInTheMiddle() async throws {
        try await withDatabase(one) { database in
            func forget() async throws {
                try await database.transaction(deadline: soon) { connection in
                    try connection.execute("SELECT 42")
                    try connection.run(script: "DEALLOCATE ALL")
                }
            }
            try await forget()
            try await database.transaction(deadline: soon) { try $0.execute("SELECT 42") }
            try await forget()
            _ = try await database.read(deadline: soon, "SELECT 42") { _ in }
            let error = try await failure {
                try await database.transaction(deadline: soon) { connection in
                    try connection.execute("SELECT 42")
                    try connection.run(script: "DEALLOCATE ALL")
                    try connection.execute("SELECT 42")
                }
            }
            #expect(error.sqlState == .invalidStatementName)
            try await database.transaction(deadline: soon) { try $0.execute("SELECT 42") }
        }
    }

    @Test func aQueryCanBeMadeForEachRowOfAnother() async throws {
        try await withDatabase(one) { database in
            let sums = try await database.transaction(deadline: soon) { connection in
                try connection.query("SELECT generate_series(1, 3)") { row in
                    let number = try row.value(0, as: Int.self)
                    return try connection.first("SELECT sum(n)::int8 FROM generate_series(1, \(number)) n") {
                        try $0.value(0, as: Int.self)
                    }
                }
            }
            #expect(sums == [1, 3, 6])
        }
    }

    @Test func aScriptStopsAtItsFirstErrorAndKeepsTheConnection() async throws {
        try await withSchema(one) { database in
            let error = try await failure {
                try await database.transaction(deadline: soon) {
                    try $0.run(script: "CREATE TABLE a (); SELECT 1/0; CREATE TABLE b ()")
                }
            }
            #expect(error.sqlState?.rawValue == "22012")
            try await database.transaction(deadline: soon) {
                try $0.run(script: "CREATE TABLE a (); CREATE TABLE b ();")
            }
        }
    }

    @Test func anErrorInTheFirstStatementLeavesTheConnectionUsable() async throws {
        try await withDatabase(one) { database in
            func backend() async throws -> [Int] {
                try await database.read(deadline: soon, "SELECT pg_backend_pid()") { try $0.value(0, as: Int.self) }
            }
            let before = try await backend()
            for sql: SQL in ["SELECT 1/0", "nonsense", "SELECT * FROM missing"] {
                _ = try await failure { try await database.transaction(deadline: soon) { try $0.execute(sql) } }
                _ = try await failure { _ = try await database.read(deadline: soon, sql) { _ in } }
            }
            #expect(try await backend() == before)
        }
    }

    @Test func copyInsteadOfAQueryIsAnErrorAndDoesNotHang() async throws {
        try await withSchema(one, script: "CREATE TABLE t (id int4)") { database in
            for sql: SQL in ["COPY t FROM STDIN", "COPY t TO STDOUT"] {
                let error = try await failure { try await database.transaction(deadline: soon) { try $0.execute(sql) } }
                #expect(error.kind == .misuse)
            }
            let error = try await failure {
                try await database.transaction(deadline: soon) { try $0.run(script: "COPY t FROM STDIN") }
            }
            #expect(error.kind == .misuse)
            try await database.transaction(deadline: soon) { try $0.execute("SELECT 1") }
        }
    }

    @Test func settingsReachTheSession() async throws {
        try await withDatabase { settings in
            settings.lockTimeoutMilliseconds = 1234
            settings.sessionSettings = ["plan_cache_mode": "force_generic_plan", "muster.words": #"two words\"#]
        } _: { database in
            let rows = try await database.read(
                deadline: soon,
                """
                SELECT current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout'),
                    current_setting('plan_cache_mode'), current_setting('muster.words'), current_setting('application_name')
                """
            ) { row in try (0..<row.count).map { try row.value($0, as: String.self) } }
            #expect(rows == [["1234ms", "10s", "force_generic_plan", #"two words\"#, "muster"]])
        }
    }
}
