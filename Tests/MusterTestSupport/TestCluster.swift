import Dispatch
import Logging
import MusterProtocol
import MusterStore
import Postgres
import Synchronization
import TestSupport

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif
#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The PostgreSQL of `DATABASE_URL`, with the template of all databases of this process.
final class TestCluster: Sendable {
    let template: String
    let workspace: WorkspaceID
    private let given: ConnectionString

    /// The cluster of this process, prepared on first use.
    static func shared() async throws -> TestCluster { try await making.value }

    /// All tests of a process await the same task, whichever starts it: hence an unstructured one.
    private static let making = Task { try await TestCluster() }

    private init() async throws {
        guard let url = ProcessInfo.processInfo.environment["DATABASE_URL"], !url.isEmpty else { throw NoDatabase() }
        given = try ConnectionString(url)
        template = Self.newName(given)
        let (given, template) = (given, template)
        try await Self.create(template, from: "template0", given)
        workspace = try await TestDatabase.open(Self.url(of: template, given), connections: 1) { database in
            let schema = Schema(database: database)
            try await schema.migrate(logger: quietLogger, deadline: .now + .seconds(60))
            try await Self.setPassword(schema)
            return try await Self.makeWorkspace(TestDatabase.workspaceName, database)
        }
        // Runs at the end of the process; the PostgreSQL is left unchanged.
        Self.leftover.withLock { $0 = (template, given) }
        atexit { TestCluster.removeTemplate() }
    }

    private static let leftover = Mutex<(template: String, given: ConnectionString)?>(nil)

    /// Blocks the ending process until the template is dropped.
    private static func removeTemplate() {
        guard let (template, given) = leftover.withLock({ $0 }) else { return }
        let done = DispatchSemaphore(value: 0)
        // The process is ending, so the task has no parent; the semaphore waits for it.
        Task.detached {
            try? await drop(template, given)
            done.signal()
        }
        _ = done.wait(timeout: .now() + 5)
    }

    /// The number of concurrent test databases, bounded by PostgreSQL's connections.
    let turns = Turns(8)

    func newName() -> String { Self.newName(given) }
    func create(_ name: String, from template: String) async throws {
        try await Self.create(name, from: template, given)
    }
    func drop(_ name: String) async throws { try await Self.drop(name, given) }
    func url(of name: String) -> String { Self.url(of: name, given) }

    /// Refuses connections to a database and ends its open ones, or accepts connections again.
    func setReachable(_ isReachable: Bool, _ name: String) async throws {
        try await Self.run("ALTER DATABASE \(name) ALLOW_CONNECTIONS \(isReachable)", given)
        guard !isReachable else { return }
        try await Self.run(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '\(name)'", given)
    }

    func serverURL(of name: String) -> String {
        var string = given
        string["dbname"] = name
        string["user"] = "muster_server"
        string["password"] = Self.serverPassword
        return string.text
    }

    static func makeWorkspace(_ name: String, _ database: Database) async throws -> WorkspaceID {
        let made = try await Schema(database: database).createWorkspace(name: name, at: .now, deadline: .soon) { _ in
            NewKey(
                keyID: "k_000000000000", digest: [UInt8](repeating: 1, count: 32), kind: .service, name: "admin",
                scopes: ["*"], createdAt: .now)
        }
        guard let made else { throw PostgresError(.misuse, "there is a workspace of this name") }
        return made
    }

    // MARK: Statements of the cluster

    /// The same in all test processes: the role belongs to the whole cluster, and they share it.
    private static let serverPassword = "muster-tests"

    private static func setPassword(_ schema: Schema) async throws {
        for attempt in 1...20 {
            do {
                try await schema.setPassword(
                    serverPassword, of: .standard, changesShared: true, deadline: .soon, isAccepted: { false })
                return
            } catch let error as PostgresError where error.sqlState == .internalError && attempt < 20 {
                // "tuple concurrently updated": another process sets the same password now.
                try await Task.sleep(for: .milliseconds(20 * attempt))
            }
        }
    }

    private static func newName(_ given: ConnectionString) -> String {
        let number = UInt64.random(in: 0..<(1 << 60))
        return "muster_test_" + String(number, radix: 36)
    }

    private static func url(of name: String, _ given: ConnectionString) -> String {
        var string = given
        string["dbname"] = name
        return string.text
    }

    /// Copying fails while the template has a connection; the one that migrated it may need a moment to end.
    private static func create(_ name: String, from template: String, _ given: ConnectionString) async throws {
        for attempt in 1...100 {
            do {
                return try await run(
                    "CREATE DATABASE \(name) TEMPLATE \(template) ENCODING 'UTF8'", given)
            } catch let error as PostgresError where error.sqlState == .objectInUse && attempt < 100 {
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    private static func drop(_ name: String, _ given: ConnectionString) async throws {
        try await run("DROP DATABASE IF EXISTS \(name) WITH (FORCE)", given)
    }

    /// Names are generated here from letters and digits, so nothing needs to be bound.
    private static func run(_ script: String, _ given: ConnectionString) async throws {
        try await TestDatabase.open(given.text, connections: 1) { database in
            try await database.withConnection(deadline: .soon) { connection in try connection.run(script: script) }
        }
    }
}

/// A semaphore: `count` holders at once, later callers wait.
actor Turns {
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(_ count: Int) { free = count }

    func acquire() async {
        if free > 0 {
            free -= 1
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    func release() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}

/// The error of a test without a database.
struct NoDatabase: Error, CustomStringConvertible {
    let description =
        "DATABASE_URL is not set: run scripts/test, which starts a PostgreSQL, "
        + "or name an empty one whose role may create databases and roles"
}
