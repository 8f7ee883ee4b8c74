import Logging
import MusterStore
import MusterTestSupport
import Postgres
import Synchronization
import Testing

/// Runs `body` with the name of a role for the server that is not there yet, and drops it afterwards from this database
/// and the cluster.
func withServerRole(_ test: TestDatabase, _ body: (ServerRole) async throws -> Void) async throws {
    let role = try #require(ServerRole("Muster-server.\(UInt32.random(in: 0 ... .max))@x"))
    try await cleaningUp(
        {
            let exists = try await names(
                "SELECT rolname::text FROM pg_roles WHERE rolname = \(role.name)", test.ownerURL)
            if !exists.isEmpty { try await test.run("DROP OWNED BY \"\(role.name)\"; DROP ROLE \"\(role.name)\"") }
        }, after: { try await body(role) })
}

func databaseName(_ test: TestDatabase) throws -> String { try ConnectionString(test.ownerURL)["dbname"] ?? "" }

func run(_ script: String, _ url: String) async throws {
    try await TestDatabase.open(url, connections: 1) { database in
        try await database.withConnection(deadline: .soon) { connection in try connection.run(script: script) }
    }
}

func names(_ sql: SQL, _ url: String) async throws -> [String] {
    try await TestDatabase.open(url, connections: 1) { database in
        try await database.read(deadline: .soon, sql) { try $0.value(0) }
    }
}

/// Keeps what is logged.
final class LogRecord: Sendable {
    private let kept = Mutex<[String]>([])

    /// Message and metadata of each line.
    var lines: [String] { kept.withLock(\.self) }

    var logger: Logger { Logger(label: "test") { _ in Handler(record: self) } }

    private struct Handler: LogHandler {
        let record: LogRecord
        var logLevel = Logger.Level.info
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let facts = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            record.kept.withLock { $0.append(([event.message.description] + facts).joined(separator: " ")) }
        }
    }
}
