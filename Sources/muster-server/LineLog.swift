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
        let line = line(event, facts.sorted { $0.key < $1.key })
        // One write, so that lines of several threads and processes don't mix.
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private func line(_ event: LogEvent, _ facts: [(key: String, value: Logger.MetadataValue)]) -> [UInt8] {
        format == .json ? json(event, facts) : text(event, facts)
    }

    private func json(_ event: LogEvent, _ facts: [(key: String, value: Logger.MetadataValue)]) -> [UInt8] {
        let fixed = [("time", Instant.now.iso8601), ("level", event.level.rawValue), ("message", "\(event.message)")]
        let object = Attributes(
            fixed.map { .init(name: Array($0.0.utf8), value: Self.json($0.1)) }
                + facts.map { .init(name: Array($0.key.utf8), value: Self.json($0.value)) })
        return ((try? JSONEncoding.encode(object)) ?? []) + [UInt8(ascii: "\n")]
    }

    /// Logged numbers and booleans keep their type; text stays text, whatever it looks like.
    private static func json(_ value: Logger.MetadataValue) -> AttributeValue {
        guard case .stringConvertible(let value) = value else { return json("\(value)") }
        switch value {
        case let value as Bool: return .bool(value)
        case let value as any BinaryInteger:
            // JSON parsers keep integers only to the precision of a double.
            if let integer = Int64(exactly: value), integer.magnitude <= 1 << 53 { return .integer(integer) }
        case let value as Double where value.isFinite: return .number(value)
        default: break
        }
        return json("\(value)")
    }

    /// JSON can carry U+0000, but our writer refuses it; escaping keeps the line.
    private static func json(_ text: String) -> AttributeValue {
        .string(text.utf8.contains(0) ? Array(text.replacing("\0", with: "\\0").utf8) : Array(text.utf8))
    }

    private func text(_ event: LogEvent, _ facts: [(key: String, value: Logger.MetadataValue)]) -> [UInt8] {
        let facts = facts.map { " \($0.key)=\(Self.escaped("\($0.value)"))" }.joined()
        return Array("\(Instant.now.iso8601) \(event.level.rawValue) \(event.message)\(facts)\n".utf8)
    }

    /// Escapes control characters, so that logged text can't begin a new line.
    private static func escaped(_ text: String) -> String {
        let escaped = text.unicodeScalars.map {
            $0.value < 0x20 || $0.value == 0x7F ? $0.escaped(asASCII: true) : String($0)
        }
        return text.contains(" ") || text.contains("\"") ? "\"\(escaped.joined())\"" : escaped.joined()
    }
}

extension Settings {
    /// Logs which variables are ignored, and why. Never their values, which may be secrets.
    func logIgnoredVariables(_ logger: Logger) {
        for variable in ignoredServiceLinks {
            logger.notice(
                "A variable is ignored: Kubernetes sets it for a Service, with enableServiceLinks",
                metadata: ["variable": "\(variable)"])
        }
        for variable in unknownVariables {
            logger.warning(
                "Unknown variable: no setting has this name, see muster-server --help",
                metadata: ["variable": "\(variable)"])
        }
    }

    /// The logger of the process, from which all others are made.
    func makeLogger() -> Logger {
        let (format, level) = (self.logFormat, self.logLevel)
        return Logger(label: "muster") { _ in LineLog(format: format, level: level) }
    }
}
