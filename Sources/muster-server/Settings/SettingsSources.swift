import Configuration
import MusterProtocol
import Postgres

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension Settings {
    /// Flags, environment, file, defaults: in this order. Flags and defaults are written as variables, so that a value
    /// is parsed alike in each source.
    static func providers(
        _ flags: [String: String], _ environment: [String: String], _ file: String?
    ) async throws -> [any ConfigProvider] {
        try refusePassword(inFlag: flags["database.url"])
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
        return providers + [variables(Dictionary(uniqueKeysWithValues: SettingTable.all.map { ($0.key, $0.standard) }))]
    }

    /// The settings in the environment, without accidental ones. An empty variable counts as unset, as `${X:-}` writes
    /// it; only for `ops.host` an empty value means off.
    private static func values(of environment: [String: String]) -> [String: String] {
        var values: [String: String] = [:]
        for setting in SettingTable.all {
            guard let value = environment[setting.variable], !isServiceLink(setting.variable, value),
                setting.key == "ops.host" || !setting.isEmpty(value)
            else { continue }
            values[setting.key] = value
        }
        values["database.url"] = values["database.url"] ?? environment["DATABASE_URL"]
        return values
    }

    /// Variables that begin as those of settings do and that no setting has: misspelled, or renamed since. An empty one
    /// counts as unset, and those that Kubernetes sets for a Service are left out.
    static func unknownVariables(in environment: [String: String]) -> [String] {
        let known = otherVariables.union(SettingTable.all.map { $0.variable })
        let unknown = environment.filter { name, value in
            name.hasPrefix("MUSTER_") && !known.contains(name) && !value.withoutWhiteSpaceAround.isEmpty
                && !isOfService(name, value)
        }
        return unknown.keys.sorted()
    }

    /// Variables that no setting has: of the file with settings, of the command `muster`, of tests and scripts.
    private static let otherVariables: Set = [
        "MUSTER_CONFIG", "MUSTER_SERVER", "MUSTER_KEY", "MUSTER_TLS", "MUSTER_CA_FILE", "MUSTER_BIN", "MUSTER_PG_BIN",
        "MUSTER_SEED",
    ]

    /// Whether Kubernetes sets the variable for a Service.
    private static func isOfService(_ variable: String, _ value: String) -> Bool {
        variable.hasSuffix("_SERVICE_HOST") || variable.contains("_SERVICE_PORT") || isServiceLink(variable, value)
            || variable.contains(/_PORT_[0-9]+_(TCP|UDP|SCTP)/)
    }

    /// The variables of settings that Kubernetes sets for a Service with the name of a part of Muster: the Service
    /// `muster-rest` puts `MUSTER_REST_PORT=tcp://10.96.12.7:7880` into every container of its namespace.
    static func serviceLinks(in environment: [String: String]) -> [String] {
        SettingTable.all.map { $0.variable }.filter { name in environment[name].map { isServiceLink(name, $0) } ?? false
        }
    }

    private static func isServiceLink(_ variable: String, _ value: String) -> Bool {
        guard variable.hasSuffix("_PORT"),
            let scheme = ["tcp://", "udp://", "sctp://"].first(where: { value.hasPrefix($0) })
        else { return false }
        return hostAndPort(String(value.dropFirst(scheme.count)), defaultPort: 0).map { $0.port > 0 } ?? false
    }

    private static func variables(_ values: [String: String]) -> any ConfigProvider {
        let named = SettingTable.all.compactMap { setting in
            values[setting.key].map { (setting.variable, setting.trimmed($0)) }
        }
        return EnvironmentVariablesProvider(environmentVariables: Dictionary(uniqueKeysWithValues: named))
            .prefixKeys(with: "muster")
    }

    private static func refusePassword(inFlag url: String?) throws {
        guard let url, let string = try? ConnectionString(url), string["password"] != nil else { return }
        throw SettingsError(
            "a password in an argument can be read by every user of this machine: put it into MUSTER_DATABASE_URL or the file"
        )
    }

    /// A misspelled key must not silently leave a setting at its default.
    private static func refuseUnknownKeys(inFile name: String) throws {
        guard let data = try? Data(contentsOf: URL(filePath: name)) else {
            throw SettingsError("the file \(name) can't be read: look at --config and MUSTER_CONFIG")
        }
        let known = Set(SettingTable.all.map { $0.key })
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
