import Configuration
import Logging
import MusterProtocol
import Postgres

/// What the operator has decided, read once at the start. `SettingTable` declares each setting and its type.
@dynamicMemberLookup
struct Settings: Sendable {
    enum LogFormat: String, Sendable { case text, json }

    private var values: [String: any Sendable] = [:]
    /// To each listener: those that are being told that there are too many.
    var surplusConnections = 64
    /// Requests of one key in flight, over both wires.
    var maxInFlightPerKey = Limits.requestsInFlightPerKey.value
    /// What `server.info` says of this build.
    var version = MusterServerCommand.version
    /// Variables that look like settings and were not meant for Muster: see `serviceLinks`.
    var passedOver: [String] = []

    /// The value of the setting that `SettingTable` declares under this name.
    subscript<Value: Sendable>(dynamicMember path: KeyPath<SettingTable, Setting<Value>>) -> Value {
        get { SettingTable.shared[keyPath: path].value(in: values) }
        set { SettingTable.shared[keyPath: path].store(newValue, in: &values) }
    }

    /// Reads all settings, wherever they come from.
    ///
    /// - Parameters:
    ///   - flags: what the command line says, by key.
    ///   - environment: of the process.
    ///   - file: a JSON file; its name may also stand in `MUSTER_CONFIG`.
    static func load(
        flags: [String: String], environment: [String: String], file: String?
    ) async throws -> Settings {
        let reader = ConfigReader(providers: try await providers(flags, environment, file))
        var settings = Settings()
        for setting in SettingTable.all { try setting.read(reader, into: &settings.values) }
        guard settings.tlsCertificate.isEmpty == settings.tlsKey.isEmpty else {
            throw SettingsError("tls.certificate and tls.key belong together: set both or none")
        }
        settings.passedOver = serviceLinks(in: environment)
        if !settings.databaseURL.isEmpty, var string = try? ConnectionString(settings.databaseURL),
            string.cutVariables(environment)
        {
            settings.databaseURL = string.text
        }
        return settings
    }

    /// Nil: plaintext.
    var tls: (certificate: String, key: String)? {
        self.tlsCertificate.isEmpty ? nil : (self.tlsCertificate, self.tlsKey)
    }

    /// What must hold before the database is used.
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
        // libpq would take it as part of a name or a password, and the server would refuse that.
        if isDatabaseURL, self.databaseURL.utf8.contains(where: { $0 <= 0x20 }) {
            throw SettingTable.shared.databaseURL.names.error("is a URL with white space in it: write a blank as %20")
        }
        // A part of the password, where that has one of these: libpq's words, which are logged and shown on /readyz,
        // would name it as a host, a port or a database.
        guard string.hasPlausibleHosts, string.hasNumericPorts, !isDatabaseURL || Self.hasOneUser(self.databaseURL)
        else {
            throw SettingTable.shared.databaseURL.names.error(
                "names no usable host, port or database: in a URL, write the special characters of a password in "
                    + "percent-encoding (@ as %40, / as %2F, : as %3A), or pass the password as PGPASSWORD")
        }
    }

    private var isDatabaseURL: Bool { ["postgresql://", "postgres://"].contains(where: self.databaseURL.hasPrefix) }

    /// Whether at most one @ stands before the query of a URL, and none behind the slash of the database's name.
    private static func hasOneUser(_ url: String) -> Bool {
        let rest = url.utf8.drop { $0 != UInt8(ascii: "/") }.dropFirst(2).prefix { $0 != UInt8(ascii: "?") }
        let hosts = rest.prefix { $0 != UInt8(ascii: "/") }
        let at = UInt8(ascii: "@")
        return hosts.count { $0 == at } <= 1 && !rest.dropFirst(hosts.count).contains(at)
    }

    /// A listener that can be reached from other machines, where it speaks no TLS.
    struct OpenListener: Equatable {
        let name: String
        let host: String
        let port: Int
        /// What the operator says to allow it.
        let permission: SettingNames
        let isAllowed: Bool
    }

    /// The listeners over which everybody on the way can read along.
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

    /// Throws where a listener would be open and nobody has allowed it.
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
    /// No host has an @ in it, but for those that begin with one: abstract sockets.
    fileprivate var hasPlausibleHosts: Bool {
        list("host").allSatisfy { !$0.dropFirst().contains(UInt8(ascii: "@")) }
            && list("hostaddr").allSatisfy { !$0.contains(UInt8(ascii: "@")) }
    }

    fileprivate var hasNumericPorts: Bool {
        list("port").allSatisfy { $0.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } }
    }

    /// The values of a keyword that names one for each host.
    private func list(_ keyword: String) -> [Substring.UTF8View.SubSequence] {
        Substring(self[keyword] ?? "").utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    }
}

/// Settings that can't be used, in one line that ends with what to do.
struct SettingsError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
