import Logging
import MusterProtocol
import MusterStore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Writes an event as one line to standard error, as text or as a JSON object.
struct LineLog: LogHandler {
    let format: Settings.LogFormat
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(format: Settings.LogFormat, level: Logger.Level) {
        self.format = format
        logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var facts = metadata
        facts.merge(metadataProvider?.get() ?? [:]) { $1 }
        facts.merge(event.metadata ?? [:]) { $1 }
        if let error = event.error { facts["error"] = "\(error)" }
        let sorted = facts.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        let line = format == .json ? json(event, sorted) : text(event, sorted)
        // In one write, so that lines of several threads and processes don't mix.
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private func json(_ event: LogEvent, _ facts: [(String, String)]) -> [UInt8] {
        let fixed = [("time", Instant.now.iso8601), ("level", event.level.rawValue), ("message", "\(event.message)")]
        let object = Attributes(
            (fixed + facts).map { .init(name: Array($0.0.utf8), value: .string(Array($0.1.utf8))) })
        return ((try? JSONEncoding.encode(object)) ?? []) + [UInt8(ascii: "\n")]
    }

    private func text(_ event: LogEvent, _ facts: [(String, String)]) -> [UInt8] {
        let facts = facts.map { " \($0.0)=\(Self.escaped($0.1))" }.joined()
        return Array("\(Instant.now.iso8601) \(event.level.rawValue) \(event.message)\(facts)\n".utf8)
    }

    /// Nothing that is logged can begin a line of its own.
    private static func escaped(_ text: String) -> String {
        let escaped = text.unicodeScalars.map {
            $0.value < 0x20 || $0.value == 0x7F ? $0.escaped(asASCII: true) : String($0)
        }
        return text.contains(" ") || text.contains("\"") ? "\"\(escaped.joined())\"" : escaped.joined()
    }
}

extension Settings {
    /// The logger of the process, of which all others are made.
    func makeLogger() -> Logger {
        let (format, level) = (logFormat, logLevel)
        return Logger(label: "muster") { _ in LineLog(format: format, level: level) }
    }
}
