import Configuration
import Logging
import MusterProtocol
import Postgres

/// The operator's settings, read once at the start. `SettingTable` declares each setting and its type.
@dynamicMemberLookup
struct Settings: Sendable {
    enum LogFormat: String, Sendable { case text, json }

    private var values: [String: any Sendable] = [:]
    /// Connections to each listener, beyond the bound, that are being refused with an error.
    var surplusConnections = 64
    /// Requests in flight per key, over both wires.
    var maxInFlightPerKey = Limits.requestsInFlightPerKey.value
    /// The version of this build in `server.info`.
    var version = MusterServerCommand.version
    /// Variables of settings that Kubernetes set for a Service: see `serviceLinks`.
    var ignoredServiceLinks: [String] = []
    /// Variables that no setting has: see `unknownVariables(in:)`.
    var unknownVariables: [String] = []

    /// The value of the setting that `SettingTable` declares under this name.
    subscript<Value: Sendable>(dynamicMember path: KeyPath<SettingTable, Setting<Value>>) -> Value {
        get { SettingTable.shared[keyPath: path].value(in: values) }
        set { SettingTable.shared[keyPath: path].store(newValue, in: &values) }
    }

    /// Reads all settings from all sources.
    ///
    /// - Parameters:
    ///   - flags: the flags of the command line, by key.
    ///   - environment: the environment of the process.
    ///   - file: the name of a JSON file; `MUSTER_CONFIG` may give it instead.
    static func load(
        flags: [String: String], environment: [String: String], file: String?
    ) async throws -> Settings {
        let reader = ConfigReader(providers: try await providers(flags, environment, file))
        var settings = Settings()
        for setting in SettingTable.all { try setting.read(reader, into: &settings.values) }
        guard settings.tlsCertificate.isEmpty == settings.tlsKey.isEmpty else {
            throw SettingsError("tls.certificate and tls.key belong together: set both or none")
        }
        settings.ignoredServiceLinks = serviceLinks(in: environment)
        settings.unknownVariables = unknownVariables(in: environment)
        if !settings.databaseURL.isEmpty, var string = try? ConnectionString(settings.databaseURL),
            string.cutVariables(environment)
        {
            settings.databaseURL = string.text
        }
        return settings
    }

    /// Nil means plaintext.
    var tls: (certificate: String, key: String)? {
        self.tlsCertificate.isEmpty ? nil : (self.tlsCertificate, self.tlsKey)
    }

    /// Checks that must pass before the database is used.
    func checkDatabase() throws {
        guard !self.databaseURL.isEmpty else {
            throw SettingsError(
                "no database is named: set MUSTER_DATABASE_URL, such as 'host=/run/postgresql dbname=muster'")
        }
        guard let string = try? ConnectionString(self.databaseURL) else {
            throw SettingsError(
                "libpq cannot read the connection string: look at MUSTER_DATABASE_URL. In a URL, write a password's special "
                    + "characters in percent-encoding; in key=value pairs, put it in single quotes; or pass it as PGPASSWORD"
            )
        }
        // libpq would read white space as part of a name or a password, which the server would refuse.
        if isDatabaseURL, self.databaseURL.utf8.contains(where: { $0 <= 0x20 }) {
            throw SettingTable.shared.databaseURL.names.error("is a URL with white space in it: write a blank as %20")
        }
        // An unescaped separator in the password would make part of it a host, a port or a database, which libpq's
        // messages name; these are logged and shown on /readyz.
        guard string.hasPlausibleHosts, string.hasNumericPorts, !isDatabaseURL || Self.hasOneUser(self.databaseURL)
        else {
            throw SettingTable.shared.databaseURL.names.error(
                "names no usable host, port or database: in a URL, write the special characters of a password in "
                    + "percent-encoding (@ as %40, / as %2F, : as %3A), or pass the password as PGPASSWORD")
        }
    }

    private var isDatabaseURL: Bool { ["postgresql://", "postgres://"].contains(where: self.databaseURL.hasPrefix) }

    /// Whether a URL has at most one @ before its query, and none after the slash of the database's name.
    private static func hasOneUser(_ url: String) -> Bool {
        let rest = url.utf8.drop { $0 != UInt8(ascii: "/") }.dropFirst(2).prefix { $0 != UInt8(ascii: "?") }
        let hosts = rest.prefix { $0 != UInt8(ascii: "/") }
        let at = UInt8(ascii: "@")
        return hosts.count { $0 == at } <= 1 && !rest.dropFirst(hosts.count).contains(at)
    }

    /// A listener without TLS that other machines can reach.
    struct OpenListener: Equatable {
        let name: String
        let host: String
        let port: Int
        /// The setting that allows it.
        let permission: SettingNames
        let isAllowed: Bool
    }

    /// The listeners whose traffic can be read on the network.
    var openListeners: [OpenListener] {
        var all: [OpenListener] = []
        let table = SettingTable.shared
        if tls == nil {
            all.append(
                .init(
                    name: "RPC", host: self.listenHost, port: self.listenPort,
                    permission: table.isListenInsecureAllowed.names,
                    isAllowed: self.isListenInsecureAllowed))
            all.append(
                .init(
                    name: "REST", host: self.restHost, port: self.restPort,
                    permission: table.isRESTInsecureAllowed.names,
                    isAllowed: self.isRESTInsecureAllowed))
        }
        if let opsHost = self.opsHost {
            all.append(
                .init(
                    name: "Operations", host: opsHost, port: self.opsPort,
                    permission: table.isOpsInsecureAllowed.names,
                    isAllowed: self.isOpsInsecureAllowed))
        }
        return all.filter { !isLoopback($0.host) }
    }

    /// Throws if a listener would be open and no setting allows it.
    func checkListeners() throws {
        guard let open = openListeners.first(where: { !$0.isAllowed }) else { return }
        let names = [open.permission.flag, open.permission.variable].compactMap(\.self).joined(separator: " or ")
        throw SettingsError(
            open.permission == SettingTable.shared.isOpsInsecureAllowed.names
                ? "\(open.host) can be reached from other machines and the metrics are not encrypted: "
                    + "set ops.host to an address of this machine, or \(names) where nobody can listen in"
                : "\(open.host) can be reached from other machines and there is no certificate for the \(open.name) listener: "
                    + "set tls.certificate and tls.key, or \(names) where nobody can listen in")
    }
}

extension ConnectionString {
    /// Whether no host contains an @, except at its start, which marks abstract sockets.
    fileprivate var hasPlausibleHosts: Bool {
        list("host").allSatisfy { !$0.dropFirst().contains(UInt8(ascii: "@")) }
            && list("hostaddr").allSatisfy { !$0.contains(UInt8(ascii: "@")) }
    }

    fileprivate var hasNumericPorts: Bool {
        list("port").allSatisfy { $0.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } }
    }

    /// The values of a keyword that has one for each host.
    private func list(_ keyword: String) -> [Substring.UTF8View.SubSequence] {
        Substring(self[keyword] ?? "").utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    }
}

/// An invalid setting, in one line that ends with what to do.
struct SettingsError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
