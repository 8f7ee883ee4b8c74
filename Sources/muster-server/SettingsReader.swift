import Configuration
import MusterProtocol
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
        try read(setting, "must be a string") { try reader.requiredString(forKey: $0, isSecret: true) }
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
        guard let choice = make(try text(setting)) else { throw Self.error(setting, "must be one of: \(setting.help)") }
        return choice
    }

    private func read<T>(_ setting: Setting, _ problem: String, _ body: (ConfigKey) throws -> T) throws -> T {
        do { return try body(ConfigKey(setting.key)) } catch { throw Self.error(setting, problem) }
    }

    private static func error(_ setting: Setting, _ problem: String) -> SettingsError {
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
        var environment = environment
        environment["MUSTER_DATABASE_URL"] = environment["MUSTER_DATABASE_URL"] ?? environment["DATABASE_URL"]
        var providers: [any ConfigProvider] = [variables(flags), variables(named: environment)]
        if let file = file ?? environment["MUSTER_CONFIG"] {
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

    private static func variables(_ values: [Setting: String]) -> any ConfigProvider {
        variables(named: Dictionary(uniqueKeysWithValues: values.map { ($0.key.variable, $0.value) }))
    }

    private static func variables(named values: [String: String]) -> any ConfigProvider {
        EnvironmentVariablesProvider(environmentVariables: values).prefixKeys(with: "muster")
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
