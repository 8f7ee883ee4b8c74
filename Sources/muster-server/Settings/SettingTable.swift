import Logging
import MusterProtocol
import MusterStore

/// All settings, in the order of `--help`. To add one, add its line here; `settings.name` is its value.
struct SettingTable: Sendable {
    let databaseURL = Setting.text(
        "database.url", of: .every, keepsBlanks: true,
        "Connection string of PostgreSQL (DATABASE_URL is read too). With a password only by variable or file.")
    let databaseConnections = Setting.number(
        "database.connections", 1...200, default: 8,
        "Connections to PostgreSQL, each with a thread of its own; one more proves keys.")
    let listenHost = Setting.host("listen.host", default: "127.0.0.1", "Where the RPC listens.")
    let listenPort = Setting.number(
        "listen.port", 0...65_535, default: DefaultPort.rpc, "Where the RPC listens; 0 lets the system choose.")
    let isListenInsecureAllowed = Setting.switch(
        "listen.insecure", "Let the RPC listen beyond this machine without TLS.")
    let restHost = Setting.host("rest.host", default: "127.0.0.1", "Where the REST endpoint of partners listens.")
    let restPort = Setting.number(
        "rest.port", 0...65_535, default: DefaultPort.rest,
        "Where the REST endpoint listens; 0 lets the system choose.")
    let isRESTInsecureAllowed = Setting.switch(
        "rest.insecure", "Let the REST endpoint listen beyond this machine without TLS.")
    let restRequestsPerHour = Setting.number(
        "rest.requests_per_hour", 0...1_000_000_000, default: Limits.restRequestsPerHour.value,
        "Requests an hour that each data import key may send to this server; 0 is no limit.")
    let restServiceRequestsPerHour = Setting.number(
        "rest.service_requests_per_hour", 0...1_000_000_000, default: Limits.restServiceRequestsPerHour.value,
        "Requests an hour that each service key may send to this server by REST; 0 is no limit.")
    let opsHost = Setting.optionalHost(
        "ops.host", default: "127.0.0.1",
        "Where /livez, /readyz and /metrics listen, in plain HTTP; empty for nowhere.")
    let opsPort = Setting.number(
        "ops.port", 0...65_535, default: DefaultPort.ops, "Where they listen; 0 lets the system choose.")
    let isOpsInsecureAllowed = Setting.switch(
        "ops.insecure", "Let them listen beyond this machine; they have no TLS and no key.")
    let connections = Setting.number(
        "connections.most", 1...100_000, default: Limits.connections.value,
        "Open connections that RPC and REST take, each; one more is refused.")
    let unauthenticatedConnections = Setting.number(
        "connections.unauthenticated", 1...100_000, default: Limits.unauthenticatedConnections.value,
        "Of them, those over which no good key has come; one more ends the oldest.")
    let connectionsPerAddress = Setting.number(
        "connections.per_address", 0...100_000, default: 0,
        "Of them, those from one address (of IPv6, one network of 64 bits); 0 is no bound, as behind a proxy.")
    let expectsProxyHeader = Setting.switch(
        "connections.proxy_protocol",
        "Every connection to RPC and REST begins with the header of the PROXY protocol, version 2; others are closed.")
    let tlsCertificate = Setting.text(
        "tls.certificate", "File with the certificate chain, in PEM; SIGHUP reads it again.")
    let tlsKey = Setting.text("tls.key", "File with the private key, in PEM.")
    let publicRESTURL = Setting.baseURL(
        "public_rest_url", "Where partners reach the REST endpoint; partners.get shows it.")
    let cacheBytes = Setting.mebibytes("cache_mb", 16...(1 << 20), default: 512, "Memory for sets, in MiB.")
    let directoryBytes = Setting.mebibytes(
        "directory_mb", 0...(1 << 20), default: 512,
        "Memory for identity directories, in MiB: about 25 bytes an identifier; 0 resolves all identifiers by SQL.")
    let lockTimeoutMilliseconds = Setting.number(
        "lock_timeout_ms", 10...60_000, default: Limits.lockWait.value,
        "How long a request waits for another one's lock.")
    let shutdownDelaySeconds = Setting.number(
        "shutdown_delay_seconds", 0...600, default: 0,
        "From SIGTERM until nothing more is accepted; /readyz is 503 meanwhile, for balancers to see.")
    let drainSeconds = Setting.number(
        "drain_seconds", 0...9, default: Limits.drainSeconds.value,
        "From then on until what is in flight is cut; at most 9.")
    let historyDays = Setting.number(
        "history_days", 0...36_500, default: 0,
        "How long changes of sets and receipts are kept; 0 keeps them for ever.")
    let eventDays = Setting.number(
        "events.retention_days", 0...36_500, default: 0,
        "Events and purchases go so many days after the end of their month; 0 keeps them for ever.")
    let exportKeepHours = Setting.number(
        "exports.keep_hours", 1...720, default: 4, "How long the archive of an export can be fetched.")
    let erasureJournal = Setting.optionalText(
        "erasure_journal",
        "A file, on other storage than the database's and its backups', in which each erasure is before it is acknowledged; of each server its own. migrate applies it."
    )
    let maintenanceSeconds = Setting.number(
        "maintenance_seconds", 1...86_400, default: 5,
        "Seconds between maintenance passes, which compact snapshots and delete expired rows.")
    let isOwnerRoleAllowed = Setting.switch(
        "allow_owner_role", "Serve as a role that bypasses row-level security: only the code isolates workspaces then.")
    let exitsOnRefusal = Setting.switch(
        "exit_on_refusal",
        "End where PostgreSQL refuses connections and waiting won't help, such as for a wrong password.")
    let logLevel = Setting.choice(
        "log.level", of: .every, default: Logger.Level.info,
        "trace, debug, info, notice, warning, error or critical.")
    let logFormat = Setting.choice(
        "log.format", of: .every, default: Settings.LogFormat.text,
        "text or json, a line an event, to standard error.")
    let serverRole = Setting.role(
        "server_role", of: .migrate,
        "Of migrate: the role that servers connect as. Default: the one that the database names already, or muster_server."
    )
    let serverRolePassword = Setting.password(
        "server_role_password", of: .migrate, "Of migrate: sets the password of the server's role.")
    let isSharedPasswordChanged = Setting.switch(
        "change_shared_password", of: .migrate,
        "Of migrate: sets it also where other databases use the role, whose servers then need the new one.")

    static let shared = SettingTable()

    /// All settings, in the order of their lines.
    static let all = Mirror(reflecting: shared).children.compactMap { $0.value as? any AnySetting }

    /// The part of `--help` that lists the settings.
    static var help: String {
        let lines = all.map { setting in
            let names = [setting.flag, setting.variable, setting.key].compactMap(\.self).joined(separator: "  ")
            let standard = setting.standard.isEmpty ? "" : " Default: \(setting.standard)."
            return "\(names)\n    \(setting.help)\(standard)"
        }
        return """
            SETTINGS: flag, environment variable, path in the JSON file of --config (MUSTER_CONFIG).
            A flag wins over the environment, and that over the file. White space around a value is cut; of the connection \
            string and of passwords only line ends at their end. An empty variable is an unset one, \
            but for MUSTER_OPS_HOST. A variable that Kubernetes sets for a Service, such as \
            MUSTER_REST_PORT=tcp://10.96.12.7:7880, is passed over.

            \(lines.joined(separator: "\n"))
            """
    }
}
