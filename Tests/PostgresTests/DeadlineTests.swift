import Glibc
import Postgres
import Testing

@Suite struct DeadlineTests {
    private func one(_ settings: inout DatabaseSettings) { settings.connections = 1 }

    private func backend(_ database: Database) async throws -> [Int] {
        try await database.read(deadline: soon, "SELECT pg_backend_pid()") { try $0.value(0, as: Int.self) }
    }

    /// Whether the server still runs a statement with this mark.
    private func isRunning(_ mark: String) async throws -> Bool {
        try await withDatabase(one) { database in
            let sql: SQL = """
                SELECT 1 FROM pg_stat_activity
                WHERE state = 'active' AND query LIKE \("%" + mark + "%") AND pid <> pg_backend_pid()
                """
            return try await !database.read(deadline: soon, sql) { _ in }.isEmpty
        }
    }

    /// Returns while the only connection of the database is busy; it is free again afterwards.
    private func whileBusy(_ database: Database, _ body: () async throws -> Void) async throws {
        let busy = Task { try await database.transaction(deadline: soon) { try $0.execute("SELECT pg_sleep(20)") } }
        try await untilTrue { database.statistics.running == 1 }
        try await body()
        #expect(database.statistics.running == 1)
        busy.cancel()
        _ = try await failure { try await busy.value }
    }

    @Test func workIsNotStartedAfterItsDeadline() async throws {
        try await withSchema(one, script: "CREATE TABLE t (id int4)") { database in
            try await whileBusy(database) {
                let start = ContinuousClock.now
                let error = try await failure {
                    try await database.transaction(deadline: .now + .milliseconds(100)) {
                        try $0.execute("INSERT INTO t VALUES (1)")
                    }
                }
                #expect(error.kind == .deadlineExceeded)
                #expect(ContinuousClock.now - start < .seconds(5))
            }
            #expect(try await database.read(deadline: soon, "SELECT id FROM t") { _ in }.isEmpty)
        }
    }

    @Test func theFirstStatementEndsAtTheDeadlineAndTheConnectionStays() async throws {
        try await withDatabase(one) { database in
            let before = try await backend(database)
            let start = ContinuousClock.now
            let transaction = try await failure {
                try await database.transaction(deadline: .now + .milliseconds(100)) {
                    try $0.execute("SELECT pg_sleep(20)")
                }
            }
            try await untilTrue { database.statistics.running == 0 }
            let read = try await failure {
                _ = try await database.read(deadline: .now + .milliseconds(100), "SELECT pg_sleep(20)") { _ in }
            }
            #expect(transaction.kind == .deadlineExceeded)
            #expect(read.kind == .deadlineExceeded)
            #expect(ContinuousClock.now - start < .seconds(5))
            #expect(try await backend(database) == before)
        }
    }

    /// PostgreSQL may be too busy to end a statement by itself in time. It is asked to, and until it has, a second at
    /// most, the caller need not wait.
    @Test func aMissedDeadlineKeepsTheConnection() async throws {
        try await withSchema(one, script: "CREATE TABLE t (id int4)") { database in
            let before = try await backend(database)
            for _ in 0..<20 {
                // Callers hear before the connection is free again.
                try await untilTrue { database.statistics.running == 0 }
                let error = try await failure {
                    try await database.transaction(deadline: .now + .milliseconds(100)) { connection in
                        try connection.execute("SET LOCAL statement_timeout = 0")
                        try connection.execute("INSERT INTO t VALUES (1)")
                        try connection.execute("SELECT pg_sleep(20)")
                    }
                }
                #expect(error.kind == .deadlineExceeded)
            }
            #expect(try await backend(database) == before)
            #expect(try await database.read(deadline: soon, "SELECT id FROM t") { _ in }.isEmpty)
        }
    }

    @Test func aLaterStatementEndsAtTheDeadlineOnTheServerToo() async throws {
        try await withSchema(one, script: "CREATE TABLE t (id int4)") { database in
            let start = ContinuousClock.now
            let error = try await failure {
                try await database.transaction(deadline: .now + .milliseconds(400)) { connection in
                    try connection.execute("INSERT INTO t VALUES (1)")
                    try connection.execute("SET LOCAL statement_timeout = 0")  // the server does not end it
                    try connection.execute("SELECT pg_sleep(20) AS later_statement")
                }
            }
            #expect(error.kind == .deadlineExceeded)
            #expect(ContinuousClock.now - start < .seconds(5))
            try await untilTrue { try await !isRunning("later_statement") }
            #expect(try await database.read(deadline: soon, "SELECT id FROM t") { _ in }.isEmpty)
        }
    }

    @Test func theDeadlineHoldsAlsoBetweenStatements() async throws {
        try await withSchema(one, script: "CREATE TABLE t (id int4)") { database in
            let error = try await failure {
                try await database.transaction(deadline: .now + .milliseconds(100)) { connection in
                    try connection.execute("INSERT INTO t VALUES (1)")
                    try? connection.execute("SELECT pg_sleep(0.3)")
                }
            }
            #expect(error.kind == .deadlineExceeded)
            #expect(try await database.read(deadline: soon, "SELECT id FROM t") { _ in }.isEmpty)
        }
    }

    @Test func aLockWaitEndsAtItsTimeout() async throws {
        try await withSchema(script: "CREATE TABLE t (id int4); INSERT INTO t VALUES (1)") { database in
            try await database.transaction(deadline: soon) { try $0.execute("SELECT 1") }
            async let holder: Void = database.transaction(deadline: soon) { connection in
                try connection.execute("SELECT id FROM t FOR UPDATE")
                try connection.execute("SELECT pg_sleep(1)")
            }
            try await untilTrue { try await isRunning("pg_sleep(1)") }
            let error = try await failure {
                try await database.transaction(lockTimeoutMilliseconds: 50, deadline: soon) {
                    try $0.execute("SELECT id FROM t FOR UPDATE")
                }
            }
            #expect(error.sqlState == .lockNotAvailable)
            #expect(error.isTransient)
            try await holder
        }
    }

    @Test func cancellingATaskEndsItsStatementAndKeepsTheConnection() async throws {
        try await withDatabase(one) { database in
            let before = try await backend(database)
            let task = Task {
                try await database.transaction(deadline: soon) { connection in
                    try connection.execute("SELECT 1")
                    try connection.execute("SELECT pg_sleep(20) AS to_be_cancelled")
                }
            }
            try await untilTrue { try await isRunning("to_be_cancelled") }
            let start = ContinuousClock.now
            task.cancel()
            let error = try await failure { try await task.value }
            #expect(error.kind == .cancelled)
            #expect(ContinuousClock.now - start < .seconds(5))
            #expect(try await backend(database) == before)
            #expect(try await !isRunning("to_be_cancelled"))
        }
    }

    @Test func cancellingATaskTakesItsWorkOutOfTheQueue() async throws {
        try await withSchema(one, script: "CREATE TABLE t (id int4)") { database in
            try await whileBusy(database) {
                let task = Task {
                    try await database.transaction(deadline: soon) { try $0.execute("INSERT INTO t VALUES (1)") }
                }
                try await untilTrue { database.statistics.waiting == 1 }
                task.cancel()
                let error = try await failure { try await task.value }
                #expect(error.kind == .cancelled)
                #expect(database.statistics.waiting == 0)
            }
            #expect(try await database.read(deadline: soon, "SELECT id FROM t") { _ in }.isEmpty)
        }
    }

    @Test func workOfACancelledTaskIsNotStarted() async throws {
        try await withSchema(one, script: "CREATE TABLE t (id int4)") { database in
            let task = Task {
                while !Task.isCancelled { await Task.yield() }
                try await database.transaction(deadline: soon) { try $0.execute("INSERT INTO t VALUES (1)") }
            }
            task.cancel()
            let error = try await failure { try await task.value }
            #expect(error.kind == .cancelled)
            #expect(try await database.read(deadline: soon, "SELECT id FROM t") { _ in }.isEmpty)
        }
    }

    @Test func aTransactionThatIsCancelledBeforeItsCommitIsNotCommitted() async throws {
        try await withSchema(one, script: "CREATE TABLE t (id int4)") { database in
            let (inside, gate) = (Counter(), Counter())
            let task = Task {
                try await database.transaction(deadline: soon) { connection in
                    try connection.execute("INSERT INTO t VALUES (1)")
                    inside.add()
                    while gate.value == 0 { usleep(1000) }
                }
            }
            try await untilTrue { inside.value == 1 }
            task.cancel()
            gate.add()
            let error = try await failure { try await task.value }
            #expect(error.kind == .cancelled)
            #expect(try await database.read(deadline: soon, "SELECT id FROM t") { _ in }.isEmpty)
        }
    }

    /// Cancellations at all moments: none may be lost, hit another's statement, or leave the counts wrong.
    @Test func cancellationAtAnyMomentEndsOnlyItsOwnStatement() async throws {
        try await withDatabase { settings in
            settings.connections = 3
        } _: { database in
            await withTaskGroup(of: Void.self) { group in
                for index in 0..<300 {
                    group.addTask {
                        let task = Task {
                            try await database.transaction(deadline: soon) { connection in
                                try connection.execute("SELECT 1")
                                try connection.execute("SELECT pg_sleep(0.003)")
                            }
                        }
                        if index % 2 == 0 {
                            try? await Task.sleep(for: .microseconds(index * 20))
                            task.cancel()
                        }
                        do { try await task.value } catch let error as PostgresError {
                            #expect(index % 2 == 0 && error.kind == .cancelled, "\(error)")
                        } catch { Issue.record(error) }
                    }
                }
            }
            try await untilTrue { database.statistics.running == 0 }
            #expect(database.statistics.waiting == 0)
        }
    }

    @Test func aFullQueueRefusesAtOnce() async throws {
        try await withDatabase { settings in
            settings.connections = 1
            settings.queueCapacity = 2
        } _: { database in
            var waiting: [Task<Void, any Error>] = []
            try await whileBusy(database) {
                for count in 1...2 {
                    waiting.append(
                        Task { try await database.transaction(deadline: soon) { try $0.execute("SELECT 1") } })
                    try await untilTrue { database.statistics.waiting == count }
                }
                let error = try await failure {
                    try await database.transaction(deadline: soon) { try $0.execute("SELECT 1") }
                }
                #expect(error.kind == .overloaded)
            }
            for task in waiting { try await task.value }
        }
    }

    @Test func closingWaitsForRunningWorkAndRejectsQueuedWork() async throws {
        try await withSchema(one, script: "CREATE TABLE t (id int4)") { database in
            let gate = Counter()
            let running = Task {
                try await database.transaction(deadline: soon) { connection in
                    try connection.execute("INSERT INTO t VALUES (1)")
                    while gate.value == 0 { usleep(1000) }
                }
            }
            try await untilTrue { database.statistics.running == 1 }
            let waiting = Task {
                try await database.transaction(deadline: soon) { try $0.execute("INSERT INTO t VALUES (2)") }
            }
            try await untilTrue { database.statistics.waiting == 1 }
            let closing = Task {
                await database.close()
                return gate.value
            }
            let refused = try await failure { try await waiting.value }
            #expect(refused.kind == .closed)
            gate.add()
            #expect(await closing.value == 1)
            #expect(database.statistics == .init(waiting: 0, running: 0, connected: 0))
            try await running.value
            let late = try await failure { _ = try await database.read(deadline: soon, "SELECT 1") { _ in } }
            #expect(late.kind == .closed)
        }
    }
}
