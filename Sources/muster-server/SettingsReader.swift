import Configuration
import MusterProtocol
import MusterStore
import Postgres

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Reads settings from where they may stand, the first that has one winning, and says by all of its names what is wrong with one.
struct SettingsReader {
    private let reader: ConfigReader

    init(providers: [any ConfigProvider]) { reader = ConfigReader(providers: providers) }

    func text(_ setting: Setting) throws -> String {
        let text = try read(setting, "must be a string") { try reader.requiredString(forKey: $0, isSecret: true) }
        return setting.trimmed(text)
    }

    /// A host or an address, in the form that sockets take.
    func host(_ setting: Setting) throws -> String {
        guard let host = normalizedHost(try text(setting)) else {
            throw Self.error(
                setting,
                "must be a host without scheme and port, such as 127.0.0.1, ::1 or localhost, 0.0.0.0 or :: for all")
        }
        return host
    }

    /// What addresses that others are given begin with, without slashes at its end.
    func baseURL(_ setting: Setting) throws -> String? {
        guard var url = try optionalText(setting) else { return nil }
        while url.hasSuffix("/") { url.removeLast() }
        let rest = ["https://", "http://"].first { url.lowercased().hasPrefix($0) }.map { url.dropFirst($0.count) }
        guard let rest, let first = rest.first, first != "/",
            !rest.contains(where: { $0.isWhitespace || "?#".contains($0) })
        else { throw Self.error(setting, "must be a URL without query, such as https://muster.example.com") }
        return url
    }

    func optionalText(_ setting: Setting) throws -> String? {
        let text = try text(setting)
        return text.isEmpty ? nil : text
    }

    func number(_ setting: Setting, _ range: ClosedRange<Int>) throws -> Int {
        let problem = "must be a whole number from \(range.lowerBound) to \(range.upperBound)"
        let number = try read(setting, problem) { try reader.requiredInt(forKey: $0) }
        guard range.contains(number) else { throw Self.error(setting, problem) }
        return number
    }

    func flag(_ setting: Setting) throws -> Bool {
        try read(setting, "must be true or false") { try reader.requiredBool(forKey: $0) }
    }

    func choice<T>(_ setting: Setting, _ make: (String) -> T?) throws -> T {
        guard let choice = make(try text(setting).lowercased()) else {
            throw Self.error(setting, "must be one of: \(setting.help)")
        }
        return choice
    }

    func role(_ setting: Setting, _ name: String) throws -> ServerRole {
        guard let role = ServerRole(name) else {
            throw Self.error(
                setting,
                "must be 1 to 63 letters, digits, _, -, . or @, and none of PostgreSQL's own: pg_…, public, none")
        }
        return role
    }

    private func read<T>(_ setting: Setting, _ problem: String, _ body: (ConfigKey) throws -> T) throws -> T {
        do { return try body(ConfigKey(setting.key)) } catch { throw Self.error(setting, problem) }
    }

    static func error(_ setting: Setting, _ problem: String) -> SettingsError {
        let names = [setting.key, setting.flag, setting.variable].compactMap(\.self).joined(separator: ", ")
        return SettingsError("the setting \(names) \(problem)")
    }
}

extension Settings {
    /// Flags, environment, file, defaults: in this order. Flags and defaults are written as variables, so that a value reads alike
    /// wherever it stands.
    static func providers(
        _ flags: [Setting: String], _ environment: [String: String], _ file: String?
    ) async throws -> [any ConfigProvider] {
        try refusePassword(inFlag: flags[.databaseURL])
        var providers: [any ConfigProvider] = [variables(flags), variables(values(of: environment))]
        let named = environment["MUSTER_CONFIG"].map(\.withoutWhiteSpaceAround).flatMap { $0.isEmpty ? nil : $0 }
        if let file = file ?? named {
            try refuseUnknownKeys(inFile: file)
            do {
                let place = InMemoryProvider(values: ["filePath": .init(.string(file), isSecret: false)])
                providers.append(try await FileProvider<JSONSnapshot>(config: ConfigReader(provider: place)))
            } catch {
                throw SettingsError("the file \(file) can't be read as settings: it must hold a JSON object")
            }
        }
        return providers + [variables(Dictionary(uniqueKeysWithValues: Setting.all.map { ($0, $0.standard) }))]
    }

    /// What the environment says of each setting, without what it says only by accident. An empty variable is an unset
    /// one, as `${X:-}` writes it; only the operators' listener has none at an empty host.
    private static func values(of environment: [String: String]) -> [Setting: String] {
        var values: [Setting: String] = [:]
        for setting in Setting.all {
            guard let value = environment[setting.variable], !isServiceLink(setting.variable, value),
                setting == .opsHost || !setting.isEmpty(value)
            else { continue }
            values[setting] = value
        }
        values[.databaseURL] = values[.databaseURL] ?? environment["DATABASE_URL"]
        return values
    }

    /// The variables of settings that Kubernetes has set for a Service which happens to be called like a part of
    /// Muster: the Service `muster-rest` puts `MUSTER_REST_PORT=tcp://10.96.12.7:7880` into every container of its
    /// namespace.
    static func serviceLinks(in environment: [String: String]) -> [String] {
        Setting.all.map(\.variable).filter { name in environment[name].map { isServiceLink(name, $0) } ?? false }
    }

    private static func isServiceLink(_ variable: String, _ value: String) -> Bool {
        guard variable.hasSuffix("_PORT"),
            let scheme = ["tcp://", "udp://", "sctp://"].first(where: { value.hasPrefix($0) })
        else { return false }
        return hostAndPort(String(value.dropFirst(scheme.count)), defaultPort: 0).map { $0.port > 0 } ?? false
    }

    private static func variables(_ values: [Setting: String]) -> any ConfigProvider {
        let named = values.map { ($0.key.variable, $0.key.trimmed($0.value)) }
        return EnvironmentVariablesProvider(environmentVariables: Dictionary(uniqueKeysWithValues: named))
            .prefixKeys(with: "muster")
    }

    private static func refusePassword(inFlag url: String?) throws {
        guard let url, let string = try? ConnectionString(url), string["password"] != nil else { return }
        throw SettingsError(
            "a password in an argument can be read by every user of this machine: put it into MUSTER_DATABASE_URL or the file"
        )
    }

    /// A typing error must not leave a setting at its default in silence.
    private static func refuseUnknownKeys(inFile name: String) throws {
        guard let data = try? Data(contentsOf: URL(filePath: name)) else {
            throw SettingsError("the file \(name) can't be read: look at --config and MUSTER_CONFIG")
        }
        let known = Set(Setting.all.map(\.key))
        let found: [String]
        do {
            found = try JSONReader().read(Array(data)) { try keys(of: $0, below: []) }
        } catch {
            throw SettingsError("the file \(name) is not a JSON object: \(error)")
        }
        if let unknown = found.first(where: { !known.contains($0) }) {
            throw SettingsError(
                "the file \(name) has \(unknown), which is no setting: `muster-server --help` lists them all")
        }
    }

    private static func keys(of object: JSONValue, below path: [String]) throws -> [String] {
        try object.fields().flatMap { name, value in
            let path = path + [name.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }]
            return value.kind == .object ? try keys(of: value, below: path) : [path.joined(separator: ".")]
        }
    }
}
