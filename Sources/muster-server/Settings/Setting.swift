import Configuration
import Logging
import MusterProtocol
import MusterStore

/// One setting: its names, its default, its line in `--help`, and the parser of its text.
///
/// The key is its path in the JSON file (`listen.port` is `{"listen": {"port": …}}`); the flag and the variable derive
/// from it.
struct Setting<Value: Sendable>: AnySetting {
    let names: SettingNames
    /// The default as text; empty means none.
    let standard: String
    let help: String
    let command: SettingCommand
    /// Whether a trailing blank can be part of the value, as in a password.
    let keepsBlanks: Bool
    /// Whether it is `true` or `false`, so that its flag has no value.
    let isSwitch: Bool
    fileprivate let read: @Sendable (SettingText) throws -> Value

    fileprivate init(
        _ key: String, standard: String = "", of command: SettingCommand = .serve, isSecret: Bool = false,
        keepsBlanks: Bool = false, isSwitch: Bool = false, _ help: String,
        read: @escaping @Sendable (SettingText) throws -> Value
    ) {
        names = SettingNames(key: key, isSecret: isSecret)
        (self.standard, self.command, self.help, self.read) = (standard, command, help, read)
        (self.keepsBlanks, self.isSwitch) = (keepsBlanks, isSwitch)
    }

    /// The value of this setting in `values`.
    func value(in values: [String: any Sendable]) -> Value {
        guard let stored = values[names.key] as? Stored else { preconditionFailure("\(names.key) was not read") }
        return stored.value
    }

    /// The wrapper in which `Settings` keeps a value, so that an optional `Value` can be nil.
    struct Stored: Sendable { let value: Value }

    func store(_ value: Value, in values: inout [String: any Sendable]) { values[names.key] = Stored(value: value) }

    func read(_ reader: ConfigReader, into values: inout [String: any Sendable]) throws {
        store(try read(SettingText(setting: self, reader: reader)), in: &values)
    }
}

/// A setting with its value's type erased.
protocol AnySetting: Sendable {
    var names: SettingNames { get }
    var standard: String { get }
    var help: String { get }
    var command: SettingCommand { get }
    var keepsBlanks: Bool { get }
    var isSwitch: Bool { get }
    func read(_ reader: ConfigReader, into values: inout [String: any Sendable]) throws
}

/// The command that has the setting's flag.
enum SettingCommand: Sendable { case every, serve, migrate }

/// The names of a setting in its three sources.
struct SettingNames: Hashable, Sendable {
    let key: String
    /// Secrets have no flag: every user of the machine can read a process's arguments.
    let isSecret: Bool

    var flag: String? { isSecret ? nil : "--" + key.map { $0 == "." || $0 == "_" ? "-" : String($0) }.joined() }

    var variable: String { "MUSTER_" + key.uppercased().map { $0 == "." ? "_" : String($0) }.joined() }

    func error(_ problem: String) -> SettingsError {
        SettingsError("the setting \([key, flag, variable].compactMap(\.self).joined(separator: ", ")) \(problem)")
    }
}

extension AnySetting {
    var key: String { names.key }
    var flag: String? { names.flag }
    var variable: String { names.variable }

    /// Trims what mounted files and typing errors add: white space at both ends, or only line ends at the end if the
    /// value may be a password.
    func trimmed(_ value: String) -> String { keepsBlanks ? value.withoutLineEnd : value.withoutWhiteSpaceAround }

    /// Whether a value is only white space, which a password may be.
    func isEmpty(_ value: String) -> Bool {
        (names.isSecret ? trimmed(value) : value.withoutWhiteSpaceAround).isEmpty
    }
}

/// The text of one setting, from any source.
struct SettingText {
    let setting: any AnySetting
    let reader: ConfigReader

    func text() throws -> String {
        try value("must be a string") { setting.trimmed(try reader.requiredString(forKey: $0, isSecret: true)) }
    }

    func value<T>(_ problem: String, _ body: (ConfigKey) throws -> T) throws -> T {
        do { return try body(ConfigKey(setting.key)) } catch { throw setting.names.error(problem) }
    }
}

// MARK: Kinds of settings

extension Setting where Value == String {
    static func text(
        _ key: String, of command: SettingCommand = .serve, keepsBlanks: Bool = false, _ help: String
    ) -> Setting {
        Setting(key, of: command, keepsBlanks: keepsBlanks, help) { try $0.text() }
    }

    /// A host or an address, in the form that sockets accept.
    static func host(_ key: String, default standard: String, _ help: String) -> Setting {
        Setting(key, standard: standard, help) { try $0.host(try $0.text()) }
    }
}

extension Setting where Value == String? {
    static func optionalText(_ key: String, _ help: String) -> Setting {
        Setting(key, help) { try $0.optionalText() }
    }

    /// A host, or nil to turn the listener off.
    static func optionalHost(_ key: String, default standard: String, _ help: String) -> Setting {
        Setting(key, standard: standard, help) { source in try source.optionalText().map { try source.host($0) } }
    }

    /// The beginning of URLs that clients get, without trailing slashes.
    static func baseURL(_ key: String, _ help: String) -> Setting {
        Setting(key, help) { source in try source.optionalText().map { try source.baseURL($0) } }
    }

    static func password(_ key: String, of command: SettingCommand, _ help: String) -> Setting {
        Setting(key, of: command, isSecret: true, keepsBlanks: true, help) { source in
            let password = try source.optionalText()
            guard password?.utf8.contains(0) != true else {
                throw source.setting.names.error("has U+0000 in it, which PostgreSQL can't keep")
            }
            return password
        }
    }
}

extension Setting where Value == Int {
    static func number(_ key: String, _ range: ClosedRange<Int>, default standard: Int, _ help: String) -> Setting {
        Setting(key, standard: "\(standard)", help) { try $0.number(in: range) }
    }

    /// Text in MiB, value in bytes.
    static func mebibytes(
        _ key: String, _ range: ClosedRange<Int>, default standard: Int, _ help: String
    ) -> Setting {
        Setting(key, standard: "\(standard)", help) { try $0.number(in: range) << 20 }
    }
}

extension Setting where Value == Bool {
    /// A setting that is false by default.
    static func `switch`(_ key: String, of command: SettingCommand = .serve, _ help: String) -> Setting {
        Setting(key, standard: "false", of: command, isSwitch: true, help) { source in
            try source.value("must be true or false") { try source.reader.requiredBool(forKey: $0) }
        }
    }
}

extension Setting where Value: RawRepresentable, Value.RawValue == String {
    static func choice(
        _ key: String, of command: SettingCommand, default standard: Value, _ help: String
    ) -> Setting {
        Setting(key, standard: standard.rawValue, of: command, help) { source in
            guard let choice = Value(rawValue: try source.text().lowercased()) else {
                throw source.setting.names.error("must be one of: \(help)")
            }
            return choice
        }
    }
}

extension Setting where Value == ServerRole? {
    static func role(_ key: String, of command: SettingCommand, _ help: String) -> Setting {
        Setting(key, of: command, help) { source in
            try source.optionalText().map { name in
                guard let role = ServerRole(name) else {
                    throw source.setting.names.error(
                        "must be 1 to 63 letters, digits, _, -, . or @, and none of PostgreSQL's own: pg_…, public, none"
                    )
                }
                return role
            }
        }
    }
}

extension SettingText {
    fileprivate func number(in range: ClosedRange<Int>) throws -> Int {
        let problem = "must be a whole number from \(range.lowerBound) to \(range.upperBound)"
        let number = try value(problem) { try reader.requiredInt(forKey: $0) }
        guard range.contains(number) else { throw setting.names.error(problem) }
        return number
    }

    fileprivate func optionalText() throws -> String? {
        let text = try text()
        return text.isEmpty ? nil : text
    }

    fileprivate func host(_ text: String) throws -> String {
        guard let host = normalizedHost(text) else {
            throw setting.names.error(
                "must be a host without scheme and port, such as 127.0.0.1, ::1 or localhost, 0.0.0.0 or :: for all")
        }
        return host
    }

    fileprivate func baseURL(_ text: String) throws -> String {
        var url = text
        while url.hasSuffix("/") { url.removeLast() }
        let rest = ["https://", "http://"].first { url.lowercased().hasPrefix($0) }.map { url.dropFirst($0.count) }
        guard let rest, let first = rest.first, first != "/",
            !rest.contains(where: { $0.isWhitespace || "?#".contains($0) })
        else { throw setting.names.error("must be a URL without query, such as https://muster.example.com") }
        return url
    }
}
