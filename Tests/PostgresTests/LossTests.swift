import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

@Suite struct LossTests {
    private func one(_ settings: inout DatabaseSettings) { settings.connections = 1 }

    private func backend(_ database: Database) async throws -> Int {
        try await database.transaction(deadline: soon) {
            try $0.first("SELECT pg_backend_pid()") { try $0.value(0, as: Int.self) } ?? 0
        }
    }

    /// Ends a backend as an administrator would, and waits until it is gone.
    private func end(_ pid: Int) async throws {
        try await withDatabase(one) { admin in
            try await admin.transaction(deadline: soon) {
                try $0.execute("SELECT pg_terminate_backend(\(pid)::int4, 5000)")
            }
        }
    }

    @Test func aConnectionLostWhileIdleIsReplacedSilently() async throws {
        try await withDatabase(one) { database in
            for _ in 0..<3 {
                let pid = try await backend(database)
                try await end(pid)
                #expect(try await backend(database) != pid)
                try await end(try await backend(database))
                _ = try await database.read(deadline: soon, "SELECT 1") { _ in }
                try await end(try await backend(database))
                try await database.withConnection(deadline: soon) { try $0.execute("SELECT 1") }
            }
        }
    }

    @Test func workThatLosesTheConnectionAtItsFirstStatementIsRunAgainOnce() async throws {
        try await withDatabase(one) { database in
            let runs = Counter()
            let error = try await failure {
                try await database.transaction(deadline: soon) { connection in
                    runs.add()
                    try connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
                }
            }
            #expect(error.kind == .connectionLost)
            #expect((1...2).contains(runs.value))
            _ = try await backend(database)
        }
    }

    @Test func aConnectionThatEndsInTheMiddleIsAnErrorAndReplaced() async throws {
        try await withSchema(one, script: "CREATE TABLE t (id int4)") { database in
            let runs = Counter()
            let error = try await failure {
                try await database.transaction(deadline: soon) { connection in
                    runs.add()
                    try connection.execute("INSERT INTO t VALUES (1)")
                    try connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
                }
            }
            #expect(error.kind == .connectionLost)
            #expect(error.isTransient)
            #expect(runs.value == 1)
            #expect(try await database.read(deadline: soon, "SELECT id FROM t") { _ in }.isEmpty)
        }
    }

    @Test func aLossThatTheClosureHidesIsNotACommit() async throws {
        try await withSchema(one, script: "CREATE TABLE t (id int4)") { database in
            let error = try await failure {
                try await database.transaction(deadline: soon) { connection in
                    try connection.execute("INSERT INTO t VALUES (1)")
                    try? connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
                }
            }
            #expect(error.kind == .connectionLost)
        }
    }

    @Test func aTransactionLeftIdleIsEndedByTheServer() async throws {
        try await withDatabase { settings in
            settings.connections = 1
            settings.idleInTransactionTimeoutMilliseconds = 100
        } _: { database in
            let error = try await failure {
                try await database.transaction(deadline: soon) { connection in
                    try connection.execute("SELECT 1")
                    usleep(400_000)
                    try connection.execute("SELECT 2")
                }
            }
            #expect(error.kind == .connectionLost)
            _ = try await backend(database)
        }
    }

    @Test func aReadOnlyServerIsLeft() async throws {
        try await withDatabase { settings in
            settings.connections = 1
            settings.connectionString = adding("target_session_attrs=any", to: settings.connectionString)
            settings.sessionSettings["default_transaction_read_only"] = "on"
        } _: { database in
            let before = try await backend(database)
            let error = try await failure {
                try await database.transaction(deadline: soon) { try $0.execute("CREATE TABLE not_to_be ()") }
            }
            #expect(error.sqlState == .readOnlyTransaction)
            #expect(try await backend(database) != before)
        }
    }

    @Test func fewerConnectionsThanConfiguredStillServe() async throws {
        let role = "few_\(UUID().uuidString.prefix(8).lowercased())"
        try await withDatabase { admin in
            try await admin.transaction(deadline: soon) {
                try $0.run(script: "CREATE ROLE \(role) LOGIN PASSWORD 'few' CONNECTION LIMIT 1")
            }
            try await withDatabase({ $0.connections = 4 }, at: adding("user=\(role) password=few", to: databaseURL())) {
                database in
                try await untilTrue { database.statistics.connected == 1 }
                for _ in 0..<10 { _ = try await backend(database) }
                #expect(database.statistics.connected == 1)
                try await withDatabase(one, at: adding("user=\(role) password=few", to: databaseURL())) { crowded in
                    let error = try await failure {
                        try await crowded.transaction(deadline: .now + .milliseconds(300)) {
                            try $0.execute("SELECT 1")
                        }
                    }
                    #expect(error.kind == .unavailable)
                    #expect("\(error)".contains("too many connections"))
                }
            }
            try await admin.transaction(deadline: soon) { try $0.run(script: "DROP ROLE \(role)") }
        }
    }

    @Test func withoutAServerWorkWaitsUntilItsDeadline() async throws {
        try await withDatabase(at: "host=/nowhere/to/be/found user=nobody password=secret") { database in
            let start = ContinuousClock.now
            let error = try await failure {
                try await database.transaction(deadline: .now + .milliseconds(200)) { try $0.execute("SELECT 1") }
            }
            #expect(error.kind == .unavailable)
            #expect((.milliseconds(200) ..< .seconds(5)).contains(ContinuousClock.now - start))
            #expect(!"\(error)".contains("secret"))
        }
    }

    @Test func anInvalidConnectionStringIsReportedWithoutShowingIt() async throws {
        let settings = DatabaseSettings(connectionString: "password=secret nonsense")
        let invalid = try await failure { try settings.validate() }
        #expect(invalid.kind == .misuse)
        #expect(!"\(invalid)".contains("secret") && !invalid.message.contains("nonsense"))
        try await withDatabase(at: settings.connectionString) { database in
            let error = try await failure {
                try await database.transaction(deadline: soon) { try $0.execute("SELECT 1") }
            }
            #expect(error.kind == .misuse)
        }
    }

    @Test func closingDoesNotWaitForASilentHost() async throws {
        let silent = try LoopbackSocket()
        try await withDatabase(at: "host=127.0.0.1 port=\(silent.port) user=nobody") { database in
            let start = ContinuousClock.now
            await database.close()
            // A connection attempt takes three seconds.
            #expect(ContinuousClock.now - start < .milliseconds(2500))
        }
    }
}

/// What must stop a server of its own.
@Suite(.enabled(if: PrivateCluster.isPossible, "these tests stop PostgreSQL, and none is installed here to be stopped"))
struct ServerLossTests {
    @Test func itConnectsWhenPostgreSQLStartsAndReconnectsAfterARestart() async throws {
        try await PrivateCluster.withStopped { server in
            try await withDatabase(at: server.url) { database in
                async let early: Void = database.transaction(deadline: .now + .seconds(30)) {
                    try $0.execute("SELECT 1")
                }
                try await server.start()
                try await early
                try await server.stop()
                let error = try await failure {
                    try await database.transaction(deadline: .now + .milliseconds(300)) { try $0.execute("SELECT 1") }
                }
                #expect([.unavailable, .connectionLost].contains(error.kind))
                async let waiting: Void = database.transaction(deadline: .now + .seconds(30)) {
                    try $0.execute("SELECT 1")
                }
                try await server.start()
                try await waiting
            }
        }
    }

    @Test func deadAndSilentHostsAreSkipped() async throws {
        try await PrivateCluster.withStopped { server in
            try await server.start()
            let silent = try LoopbackSocket()
            let url =
                "host=127.0.0.1,127.0.0.1,127.0.0.1 port=1,\(silent.port),\(server.port ?? 0) user=muster dbname=postgres"
            try await withDatabase({ $0.connectTimeoutMilliseconds = 200 }, at: url) { database in
                try await database.transaction(deadline: soon) { try $0.execute("SELECT 1") }
            }
        }
    }

    @Test func aCommitWithALostAnswerHasAnUnknownOutcome() async throws {
        try await PrivateCluster.withStopped { server in
            try await server.start()
            // There is no standby, so a synchronous commit is durable here and its reply waits forever.
            try await withDatabase({ $0.sessionSettings["synchronous_commit"] = "local" }, at: server.url) { admin in
                try await admin.withConnection(deadline: soon) { connection in
                    try connection.execute("CREATE TABLE t (id int4)")
                    try connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
                    try connection.execute("SELECT pg_reload_conf()")
                }
                try await withDatabase(at: server.url) { database in
                    try await Self.commits(database, admin)
                }
            }
        }
    }

    private static func isCommitting(_ admin: Database) async throws -> Bool {
        let waiting: SQL = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        return try await !admin.read(deadline: soon, waiting) { $0.count }.isEmpty
    }

    private static func commits(_ database: Database, _ admin: Database) async throws {
        let functions = ["pg_terminate_backend", "pg_cancel_backend", "nothing"]
        for (id, function) in functions.enumerated() {
            let deadline = ContinuousClock.now + (function == "nothing" ? .milliseconds(1500) : .seconds(10))
            let task = Task {
                try await database.transaction(variables: [("synchronous_commit", "on")], deadline: deadline) {
                    try $0.execute("INSERT INTO t VALUES (\(id))")
                }
            }
            try await untilTrue { try await isCommitting(admin) }
            task.cancel()  // too late: COMMIT is under way, and goes on
            try await Task.sleep(for: .milliseconds(200))
            #expect(try await isCommitting(admin))
            if function != "nothing" {
                let all = "SELECT \(function)(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
                try await admin.withConnection(deadline: soon) { try $0.run(script: all) }
            }
            let error = try await failure { try await task.value }
            #expect(error.kind == .commitOutcomeUnknown, "\(function)")
            #expect(!error.isTransient)
            // The row is there all the same, soon after the backend has stopped waiting.
            try await untilTrue {
                try await !admin.read(deadline: soon, "SELECT id FROM t WHERE id = \(id)") { $0.count }.isEmpty
            }
        }
    }
}

/// The same connection string with additional keywords; the last one counts.
func adding(_ more: String, to url: String) -> String {
    guard url.contains("://") else { return url + " " + more }
    return url + (url.contains("?") ? "&" : "?") + more.replacing(" ", with: "&")
}

final class Counter: Sendable {
    private let count = Mutex(0)
    var value: Int { count.withLock { $0 } }
    func add() { count.withLock { $0 += 1 } }
}
