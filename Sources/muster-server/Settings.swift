import Configuration
import Logging
import MusterProtocol
import MusterStore
import Postgres

/// What the operator has decided, read once at the start. `Setting` has the table of keys.
struct Settings: Sendable {
    enum LogFormat: String { case text, json }

    var databaseURL: String
    var databaseConnections: Int
    var listenHost: String
    var listenPort: Int
    var restHost: String
    var restPort: Int
    var restRequestsPerHour: Int
    var restServiceRequestsPerHour: Int
    /// Nil where the operator wants no such listener.
    var opsHost: String?
    var opsPort: Int
    var connections: Int
    var unauthenticatedConnections: Int
    /// To each listener: those that are being told that there are too many.
    var surplusConnections = 64
    /// 0 is no bound.
    var connectionsPerAddress: Int
    var expectsProxyHeader: Bool
    var tls: (certificate: String, key: String)?
    /// Whether each listener may be reached from other machines without TLS.
    var isListenInsecureAllowed: Bool
    var isRESTInsecureAllowed: Bool
    var isOpsInsecureAllowed: Bool
    var publicRESTURL: String?
    var cacheBytes: Int
    var lockTimeoutMilliseconds: Int
    var shutdownDelaySeconds: Int
    var drainSeconds: Int
    var historyDays: Int?
    var exportKeepHours: Int
    /// Nil: erasures are in the database only.
    var erasureJournal: String?
    var eventDays: Int
    var upkeepSeconds: Int
    var isOwnerRoleAllowed: Bool
    var exitsOnRefusal: Bool
    var logLevel: Logger.Level
    var logFormat: LogFormat
    /// Nil: the one that the database names already, or the standard one.
    var serverRole: ServerRole?
    var serverRolePassword: String?
    var isSharedPasswordChanged: Bool
    /// Variables that look like settings and were not meant for Muster: see `serviceLinks`.
    var passedOver: [String] = []

    /// Reads all settings, wherever they come from.
    ///
    /// - Parameters:
    ///   - flags: what the command line says, by setting.
    ///   - environment: of the process.
    ///   - file: a JSON file; its name may also stand in `MUSTER_CONFIG`.
    static func load(flags: [Setting: String], environment: [String: String], file: String?) async throws -> Settings {
        var settings = try Settings(SettingsReader(providers: try await providers(flags, environment, file)))
        settings.passedOver = serviceLinks(in: environment)
        if !settings.databaseURL.isEmpty, var string = try? ConnectionString(settings.databaseURL),
            string.cutVariables(environment)
        {
            settings.databaseURL = string.text
        }
        return settings
    }

    private init(_ reader: SettingsReader) throws {
        databaseURL = try reader.text(.databaseURL)
        databaseConnections = try reader.number(.databaseConnections, 1...200)
        listenHost = try reader.host(.listenHost)
        listenPort = try reader.number(.listenPort, 0...65_535)
        restHost = try reader.host(.restHost)
        restPort = try reader.number(.restPort, 0...65_535)
        restRequestsPerHour = try reader.number(.restRequestsPerHour, 0...1_000_000_000)
        restServiceRequestsPerHour = try reader.number(.restServiceRequestsPerHour, 0...1_000_000_000)
        opsHost = try reader.text(.opsHost).isEmpty ? nil : reader.host(.opsHost)
        opsPort = try reader.number(.opsPort, 0...65_535)
        connections = try reader.number(.connections, 1...100_000)
        unauthenticatedConnections = try reader.number(.unauthenticatedConnections, 1...100_000)
        connectionsPerAddress = try reader.number(.connectionsPerAddress, 0...100_000)
        expectsProxyHeader = try reader.flag(.proxyProtocol)
        let (certificate, key) = (try reader.text(.tlsCertificate), try reader.text(.tlsKey))
        tls = certificate.isEmpty && key.isEmpty ? nil : (certificate, key)
        isListenInsecureAllowed = try reader.flag(.listenInsecure)
        isRESTInsecureAllowed = try reader.flag(.restInsecure)
        isOpsInsecureAllowed = try reader.flag(.opsInsecure)
        publicRESTURL = try reader.baseURL(.publicRESTURL)
        cacheBytes = try reader.number(.cacheMB, 16...(1 << 20)) << 20
        lockTimeoutMilliseconds = try reader.number(.lockTimeout, 10...60_000)
        shutdownDelaySeconds = try reader.number(.shutdownDelaySeconds, 0...600)
        drainSeconds = try reader.number(.drainSeconds, 0...9)
        let days = try reader.number(.historyDays, 0...36_500)
        historyDays = days == 0 ? nil : days
        erasureJournal = try reader.optionalText(.erasureJournal)
        exportKeepHours = try reader.number(.exportKeepHours, 1...720)
        eventDays = try reader.number(.eventDays, 0...36_500)
        upkeepSeconds = try reader.number(.upkeepSeconds, 1...86_400)
        isOwnerRoleAllowed = try reader.flag(.allowOwnerRole)
        exitsOnRefusal = try reader.flag(.exitOnRefusal)
        logLevel = try reader.choice(.logLevel, Logger.Level.init(rawValue:))
        logFormat = try reader.choice(.logFormat, LogFormat.init(rawValue:))
        serverRole = try reader.optionalText(.serverRole).map { try reader.role(.serverRole, $0) }
        serverRolePassword = try reader.optionalText(.serverRolePassword)
        guard serverRolePassword?.utf8.contains(0) != true else {
            throw SettingsReader.error(.serverRolePassword, "has U+0000 in it, which PostgreSQL can't keep")
        }
        isSharedPasswordChanged = try reader.flag(.changeSharedPassword)
        guard certificate.isEmpty == key.isEmpty else {
            throw SettingsError("tls.certificate and tls.key belong together: set both or none")
        }
    }

    /// What must hold before the database is used.
    func checkDatabase() throws {
        guard !databaseURL.isEmpty else {
            throw SettingsError(
                "no database is named: set MUSTER_DATABASE_URL, such as 'host=/run/postgresql dbname=muster'")
        }
        guard let string = try? ConnectionString(databaseURL) else {
            throw SettingsError(
                "libpq cannot read the connection string: look at MUSTER_DATABASE_URL. In a URL, write a password's special "
                    + "characters in percent-encoding; in key=value pairs, put it in single quotes; or pass it as PGPASSWORD"
            )
        }
        // libpq would take it as part of a name or a password, and the server would refuse that.
        if isDatabaseURL, databaseURL.utf8.contains(where: { $0 <= 0x20 }) {
            throw SettingsReader.error(.databaseURL, "is a URL with white space in it: write a blank as %20")
        }
        // A part of the password, where that has one of these: libpq's words, which are logged and shown on /readyz,
        // would name it as a host, a port or a database.
        guard string.hasPlausibleHosts, string.hasNumericPorts, !isDatabaseURL || Self.hasOneUser(databaseURL) else {
            throw SettingsReader.error(
                .databaseURL,
                "names no usable host, port or database: in a URL, write the special characters of a password in "
                    + "percent-encoding (@ as %40, / as %2F, : as %3A), or pass the password as PGPASSWORD")
        }
    }

    private var isDatabaseURL: Bool { ["postgresql://", "postgres://"].contains(where: databaseURL.hasPrefix) }

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
        let permission: Setting
        let isAllowed: Bool
    }

    /// The listeners over which everybody on the way can read along.
    var openListeners: [OpenListener] {
        var all: [OpenListener] = []
        if tls == nil {
            all.append(
                .init(
                    name: "RPC", host: listenHost, port: listenPort, permission: .listenInsecure,
                    isAllowed: isListenInsecureAllowed))
            all.append(
                .init(
                    name: "REST", host: restHost, port: restPort, permission: .restInsecure,
                    isAllowed: isRESTInsecureAllowed))
        }
        if let opsHost {
            all.append(
                .init(
                    name: "Operations", host: opsHost, port: opsPort, permission: .opsInsecure,
                    isAllowed: isOpsInsecureAllowed))
        }
        return all.filter { !isLoopback($0.host) }
    }

    /// Throws where a listener would be open and nobody has allowed it.
    func checkListeners() throws {
        guard let open = openListeners.first(where: { !$0.isAllowed }) else { return }
        let names = [open.permission.flag, open.permission.variable].compactMap(\.self).joined(separator: " or ")
        throw SettingsError(
            open.permission == .opsInsecure
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
