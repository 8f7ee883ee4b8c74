import Configuration
import Logging
import MusterProtocol
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
    var strangerConnections: Int
    var tls: (certificate: String, key: String)?
    var isInsecureAllowed: Bool
    var publicRESTURL: String?
    var cacheBytes: Int
    var lockTimeoutMilliseconds: Int
    var drainSeconds: Int
    var historyDays: Int?
    var exportKeepHours: Int
    var eventDays: Int
    var upkeepSeconds: Int
    var isOwnerRoleAllowed: Bool
    var logLevel: Logger.Level
    var logFormat: LogFormat
    var serverRolePassword: String?

    /// Reads all settings, wherever they come from.
    ///
    /// - Parameters:
    ///   - flags: what the command line says, by setting.
    ///   - environment: of the process.
    ///   - file: a JSON file; its name may also stand in `MUSTER_CONFIG`.
    static func load(flags: [Setting: String], environment: [String: String], file: String?) async throws -> Settings {
        try Settings(SettingsReader(providers: try await providers(flags, environment, file)))
    }

    private init(_ reader: SettingsReader) throws {
        databaseURL = try reader.text(.databaseURL)
        databaseConnections = try reader.number(.databaseConnections, 1...200)
        listenHost = try reader.text(.listenHost)
        listenPort = try reader.number(.listenPort, 0...65_535)
        restHost = try reader.text(.restHost)
        restPort = try reader.number(.restPort, 0...65_535)
        restRequestsPerHour = try reader.number(.restRequestsPerHour, 0...1_000_000_000)
        restServiceRequestsPerHour = try reader.number(.restServiceRequestsPerHour, 0...1_000_000_000)
        opsHost = try reader.optionalText(.opsHost)
        opsPort = try reader.number(.opsPort, 0...65_535)
        connections = try reader.number(.connections, 1...100_000)
        strangerConnections = try reader.number(.strangerConnections, 1...100_000)
        let (certificate, key) = (try reader.text(.tlsCertificate), try reader.text(.tlsKey))
        tls = certificate.isEmpty && key.isEmpty ? nil : (certificate, key)
        isInsecureAllowed = try reader.flag(.insecure)
        publicRESTURL = try reader.optionalText(.publicRESTURL).map(Self.withoutSlash)
        cacheBytes = try reader.number(.cacheMB, 16...(1 << 20)) << 20
        lockTimeoutMilliseconds = try reader.number(.lockTimeout, 10...60_000)
        drainSeconds = try reader.number(.drainSeconds, 0...9)
        let days = try reader.number(.historyDays, 0...36_500)
        historyDays = days == 0 ? nil : days
        exportKeepHours = try reader.number(.exportKeepHours, 1...720)
        eventDays = try reader.number(.eventDays, 0...36_500)
        upkeepSeconds = try reader.number(.upkeepSeconds, 1...86_400)
        isOwnerRoleAllowed = try reader.flag(.allowOwnerRole)
        logLevel = try reader.choice(.logLevel, Logger.Level.init(rawValue:))
        logFormat = try reader.choice(.logFormat, LogFormat.init(rawValue:))
        serverRolePassword = try reader.optionalText(.serverRolePassword)
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
        guard (try? ConnectionString(databaseURL)) != nil else {
            throw SettingsError("libpq cannot read the connection string: look at MUSTER_DATABASE_URL")
        }
    }

    /// Where something listens that can be reached from other machines; nil where nobody outside of this one can listen in.
    var publicHost: String? { [listenHost, restHost].first { !isLoopback($0) } }

    /// Where the listener for operators could be reached from other machines; it knows no TLS.
    var publicOpsHost: String? { opsHost.flatMap { isLoopback($0) ? nil : $0 } }

    private static func withoutSlash(_ url: String) -> String { url.hasSuffix("/") ? String(url.dropLast()) : url }
}

/// Settings that can't be used, in one line that ends with what to do.
struct SettingsError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
