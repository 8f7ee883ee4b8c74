import Foundation
import MusterClient
import MusterHandlers
import MusterProtocol
import MusterStore
import MusterTestSupport
import Postgres
import Synchronization
import TestSupport
import Testing

/// A pooler between server and PostgreSQL: session mode loses nothing, other modes are refused, and another client's
/// statement is never run.
@Suite(.enabled(if: PgBouncer.isPossible, PgBouncer.isMissing), .timeLimit(.minutes(2)))
struct PoolerTests {
    private static let wanted = [
        "lock_timeout": "2s", "idle_in_transaction_session_timeout": "10s", "plan_cache_mode": "force_generic_plan",
        "enable_seqscan": "off", "jit": "off", "max_parallel_workers_per_gather": "0",
    ]

    /// The settings in each of several connections that work concurrently.
    private func settings(_ database: Database, _ names: [String]) async throws -> [[String]] {
        try await withThrowingTaskGroup(of: [String].self) { group in
            for _ in 0..<6 {
                group.addTask {
                    try await database.transaction(deadline: .soon) { connection in
                        try connection.execute("SELECT pg_sleep(0.1)")
                        return try names.map { name in
                            try connection.first("SELECT current_setting(\(name))") { try $0.value(0) } ?? ""
                        }
                    }
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    @Test(arguments: [
        "", "ignore_startup_parameters = options", "ignore_startup_parameters = options,extra_float_digits",
    ])
    func inSessionModeNoSettingIsLost(_ lines: String) async throws {
        let names = Self.wanted.keys.sorted()
        try await TestDatabase.with { database in
            try await PgBouncer.with(lines, before: database.serverURL) { pooler in
                let url = try pooler.url(for: database.serverURL, "options='-c search_path=public,pg_temp'")
                try await TestDatabase.open(url, connections: 3) { through in
                    for _ in 0..<2 {
                        for found in try await settings(through, names + ["search_path"]) {
                            #expect(found == names.map { Self.wanted[$0] ?? "" } + ["public,pg_temp"])
                        }
                        // It discards the complete session afterwards.
                        try await through.withConnection(deadline: .soon) { try $0.execute("SET jit = on") }
                    }
                }
            }
        }
    }

    @Test func aServerServesThroughSessionMode() async throws {
        try await TestDatabase.with { database in
            let key = try await database.makeAdministered("test").adminKey
            try await PgBouncer.with("", before: database.serverURL) { pooler in
                try await ServerProcess.with(try pooler.url(for: database.serverURL)) { server in
                    let client = ServerProcess.client(port: server.port, key: key)
                    try await client.untilServing()
                    _ = try await client.send(UpsertUsers(users: [UserEntry(externalID: "u-1")]))
                    #expect(try await client.importCohort("c", adding: ["u-1"]).size == 1)
                    await client.close()
                    await server.stop()
                }
            }
        }
    }

    /// The pooler itself accepts connections, but has no PostgreSQL session for them.
    @Test func aPoolerWithTooFewSessionsIsNamed() async throws {
        try await TestDatabase.with { database in
            try await PgBouncer.with("default_pool_size = 1", before: database.serverURL) { pooler in
                let url = try pooler.url(for: database.serverURL)
                try await TestDatabase.open(url, connections: 1) { first in
                    try await first.transaction(deadline: .soon) { try $0.execute("SELECT 1") }
                    try await TestDatabase.open(url, connections: 1) { second in
                        var causes: [String] = []
                        // The first call times out before the first connection attempt does.
                        for _ in 0..<3 {
                            let error = await #expect(throws: PostgresError.self) {
                                try await second.transaction(deadline: .soon) { try $0.execute("SELECT 1") }
                            }
                            #expect(error?.kind == .unavailable && error?.isRefusal == false)
                            causes.append(error?.cause ?? "")
                            try await Task.sleep(for: .seconds(1.5))
                        }
                        #expect(causes.last?.contains("no answer to the first statement") == true, "\(causes)")
                    }
                }
            }
        }
    }

    @Test func aRefusedStartupParameterIsNamed() async throws {
        try await TestDatabase.with { database in
            try await PgBouncer.with("", before: database.serverURL) { pooler in
                let url = try pooler.url(for: database.serverURL, "options='-S 1024'")
                let error = await #expect(throws: PostgresError.self) {
                    try await TestDatabase.open(url) {
                        try await $0.transaction(deadline: .soon) { try $0.execute("SELECT 1") }
                    }
                }
                #expect(error?.isRefusal == true)
                #expect(error?.cause.contains("unsupported startup parameter: options") == true)
                #expect(error?.cause.contains("ignore_startup_parameters") == true)
            }
        }
    }

    @Test(arguments: ["transaction", "statement"])
    func anotherModeEndsAServerThatMustExitOnRefusal(_ mode: String) async throws {
        try await TestDatabase.with { database in
            try await PgBouncer.with("pool_mode = \(mode)", before: database.serverURL) { pooler in
                let url = try pooler.url(for: database.serverURL)
                let (status, said) = try await ServerProcess.untilEnded(url, ["MUSTER_EXIT_ON_REFUSAL": "true"])
                #expect(status > 0)
                #expect(
                    said.contains("runs in transaction or statement mode") && said.contains("use session pooling"),
                    "\(said)")
            }
        }
    }

    /// Two databases with connections of their own, whose statements differ, over fewer backends than connections.
    @Test func inTransactionModeNoStatementOfAnotherClientRuns() async throws {
        try await TestDatabase.with { database in
            let lines = "pool_mode = transaction\ndefault_pool_size = 3\nignore_startup_parameters = options"
            try await PgBouncer.with(lines, before: database.serverURL) { pooler in
                let url = try pooler.url(for: database.serverURL)
                try await TestDatabase.open(url, connections: 1) { one in
                    try await TestDatabase.open(url, connections: 4) { many in
                        let answers = await withTaskGroup(of: [Answer].self) { group in
                            for number in 0..<6 {
                                group.addTask { await Self.answers(number < 2 ? one : many, number) }
                            }
                            return await group.reduce(into: [Answer]()) { $0 += $1 }
                        }
                        #expect(answers.filter { $0 != .right && $0 != .refused } == [])
                        #expect(many.refusal?.cause.contains("transaction or statement mode") == true)
                    }
                }
            }
        }
    }

    /// How a statement was answered. A refusal of all work is correct.
    private enum Answer: Equatable {
        case right, refused
        case wrong(String)
    }

    private static func answers(_ database: Database, _ number: Int) async -> [Answer] {
        var answers: [Answer] = []
        for turn in 0..<100 { answers.append(await answer(database, number, turn)) }
        return answers
    }

    private static func answer(_ database: Database, _ number: Int, _ turn: Int) async -> Answer {
        do {
            let found: [Int]
            switch turn % 3 {
            case 0: found = try await database.read(deadline: .soon, "SELECT 0 + \(number)") { try $0.value(0) }
            case 1: found = try await database.read(deadline: .soon, "SELECT 1 * \(number)") { try $0.value(0) }
            default:
                found = try await database.transaction(deadline: .soon) { connection in
                    try connection.execute("SELECT pg_sleep(0.001)")
                    return try connection.query("SELECT abs(\(number))") { try $0.value(0) }
                }
            }
            return found == [number] ? .right : .wrong("\(found) where \(number) was asked for")
        } catch let error as PostgresError {
            return error.kind == .unavailable && error.isRefusal ? .refused : .wrong("\(error)")
        } catch { return .wrong("\(error)") }
    }

    @Test func aPoolerThatChangesItsModeIsDetected() async throws {
        try await TestDatabase.with { database in
            let key = try await database.makeAdministered("test").adminKey
            try await PgBouncer.with("default_pool_size = 30", before: database.serverURL) { pooler in
                let ops = try Loopback.freePort()
                let url = try pooler.url(for: database.serverURL)
                try await ServerProcess.with(url, settings: ["MUSTER_OPS_PORT": "\(ops)"]) { server in
                    let client = ServerProcess.client(port: server.port, key: key) { $0.repeats = false }
                    let patient = ServerProcess.client(port: server.port, key: key)
                    try await patient.untilServing()
                    await patient.close()
                    try pooler.reload("pool_mode = transaction\ndefault_pool_size = 3", before: database.serverURL)
                    let codes = await codesUnderLoad(client, for: .seconds(2))
                    #expect(codes.isSubset(of: [.unavailable, .deadlineExceeded]), "\(codes)")
                    let ready = try await sendHTTP("GET", "http://127.0.0.1:\(ops)/readyz")
                    #expect(ready.status == 503)
                    for words in ["transaction or statement mode", "use session pooling"] {
                        #expect(ready.text.contains(words), "\(ready.text)")
                    }
                    // And back: once nothing was seen for a while, it is trusted again.
                    try pooler.reload("pool_mode = session\ndefault_pool_size = 30", before: database.serverURL)
                    var isReady = false
                    for _ in 0..<300 where !isReady {
                        try await Task.sleep(for: .milliseconds(100))
                        isReady = try await sendHTTP("GET", "http://127.0.0.1:\(ops)/readyz").status == 200
                    }
                    #expect(isReady)
                    await client.close()
                    await server.stop()
                }
            }
        }
    }

    /// The errors of many concurrent calls.
    private func codesUnderLoad(_ client: MusterClient, for time: Duration) async -> Set<RPCCode> {
        let end = ContinuousClock.now + time
        return await withTaskGroup(of: Set<RPCCode>.self) { group in
            for number in 0..<8 {
                group.addTask {
                    var codes: Set<RPCCode> = []
                    var turn = 0
                    while ContinuousClock.now < end {
                        turn += 1
                        let user = UserEntry(externalID: Identifier("u-\(number)-\(turn)"))
                        let code =
                            turn % 2 == 0
                            ? await client.code(of: UpsertUsers(users: [user]))
                            : await client.code(of: ListPartners())
                        if let code { codes.insert(code) }
                    }
                    return codes
                }
            }
            return await group.reduce(into: []) { $0.formUnion($1) }
        }
    }
}
