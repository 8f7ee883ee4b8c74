public import Logging
import Synchronization

/// Keeps what is logged, for a test to read.
public final class CapturedLog: Sendable {
    private struct Record {
        let level: Logger.Level
        /// Message and metadata, as operators read them.
        let line: String
        let error: String
    }

    private let level: Logger.Level
    private let records = Mutex<[Record]>([])

    /// - Parameter level: keeps lines of this level and above.
    public init(level: Logger.Level = .info) { self.level = level }

    /// Message and metadata of each line: `message key=value key=value`, keys in order.
    public var lines: [String] { records.withLock { $0.map(\.line) } }

    /// The lines that are at least warnings.
    public var warnings: [String] { records.withLock { $0.filter { $0.level >= .warning }.map(\.line) } }

    /// Each line with its level and with all that its error shows, for tests that look for secrets.
    public var everything: [String] { records.withLock { $0.map { "\($0.level) \($0.line) \($0.error)" } } }

    /// A logger that writes here.
    public var logger: Logger { Logger(label: "test") { _ in Handler(log: self, logLevel: level) } }

    private struct Handler: LogHandler {
        let log: CapturedLog
        var logLevel: Logger.Level
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let facts = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
            let line = [event.message.description] + facts.map { "\($0.key)=\($0.value)" }
            let error = event.error.map { "\($0) \(String(reflecting: $0))" } ?? ""
            let record = Record(level: event.level, line: line.joined(separator: " "), error: error)
            log.records.withLock { $0.append(record) }
        }
    }
}

/// A logger that prints critical lines only.
public let quietLogger: Logger = {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return logger
}()
