import MusterProtocol

/// One setting: its names, its default, and its line in `--help`.
///
/// The key is its path in the JSON file (`listen.port` is `{"listen": {"port": …}}`); flag and variable follow from it.
struct Setting: Sendable, Hashable {
    let key: String
    /// What holds where nobody says anything; empty is nothing.
    let standard: String
    let help: String
    /// Secrets have no flag: whoever lists the processes of a machine reads their arguments.
    let isSecret: Bool
    /// Whether a blank at the end can be part of the value, as in a password.
    private let keepsBlanks: Bool

    private init(
        _ key: String, standard: String = "", isSecret: Bool = false, keepsBlanks: Bool = false, _ help: String
    ) {
        (self.key, self.standard, self.isSecret, self.help) = (key, standard, isSecret, help)
        self.keepsBlanks = keepsBlanks
    }

    /// A value without what comes with a mounted file or a hurried hand: white space at both ends, or only the line
    /// ends at the end of what may hold a password.
    func trimmed(_ value: String) -> String {
        keepsBlanks ? value.withoutLineEnd : value.withoutWhiteSpaceAround
    }

    /// Whether nothing is left of a value but white space, which only a password may consist of.
    func isEmpty(_ value: String) -> Bool { (isSecret ? trimmed(value) : value.withoutWhiteSpaceAround).isEmpty }

    var flag: String? {
        isSecret ? nil : "--" + key.map { $0 == "." || $0 == "_" ? "-" : String($0) }.joined()
    }

    var variable: String { "MUSTER_" + key.uppercased().map { $0 == "." ? "_" : String($0) }.joined() }

    static let databaseURL = Setting(
        "database.url", keepsBlanks: true,
        "Connection string of PostgreSQL (DATABASE_URL is read too). With a password only by variable or file.")
    static let databaseConnections = Setting(
        "database.connections", standard: "8",
        "Connections to PostgreSQL, each with a thread of its own; one more proves keys.")
    static let listenHost = Setting("listen.host", standard: "127.0.0.1", "Where the RPC listens.")
    static let listenPort = Setting(
        "listen.port", standard: "\(DefaultPort.rpc)", "Where the RPC listens; 0 lets the system choose.")
    static let listenInsecure = Setting(
        "listen.insecure", standard: "false", "Let the RPC listen beyond this machine without TLS.")
    static let restHost = Setting("rest.host", standard: "127.0.0.1", "Where the REST endpoint of partners listens.")
    static let restPort = Setting(
        "rest.port", standard: "\(DefaultPort.rest)", "Where the REST endpoint listens; 0 lets the system choose.")
    static let restInsecure = Setting(
        "rest.insecure", standard: "false", "Let the REST endpoint listen beyond this machine without TLS.")
    static let restRequestsPerHour = Setting(
        "rest.requests_per_hour", standard: "\(Limits.restRequestsPerHour.value)",
        "Requests an hour that each data import key may send to this server; 0 is no limit.")
    static let restServiceRequestsPerHour = Setting(
        "rest.service_requests_per_hour", standard: "\(Limits.restServiceRequestsPerHour.value)",
        "Requests an hour that each service key may send to this server by REST; 0 is no limit.")
    static let opsHost = Setting(
        "ops.host", standard: "127.0.0.1",
        "Where /livez, /readyz and /metrics listen, in plain HTTP; empty for nowhere.")
    static let opsPort = Setting(
        "ops.port", standard: "\(DefaultPort.ops)", "Where they listen; 0 lets the system choose.")
    static let opsInsecure = Setting(
        "ops.insecure", standard: "false", "Let them listen beyond this machine; they have no TLS and no key.")
    static let connections = Setting(
        "connections.most", standard: "\(Limits.connections.value)",
        "Open connections that RPC and REST take, each; one more is refused.")
    static let unauthenticatedConnections = Setting(
        "connections.strangers", standard: "\(Limits.unauthenticatedConnections.value)",
        "Of them, those over which no good key has come; one more ends the oldest.")
    static let connectionsPerAddress = Setting(
        "connections.per_address", standard: "0",
        "Of them, those from one address (of IPv6, one network of 64 bits); 0 is no bound, as behind a proxy.")
    static let proxyProtocol = Setting(
        "connections.proxy_protocol", standard: "false",
        "Every connection to RPC and REST begins with the header of the PROXY protocol, version 2; others are closed.")
    static let tlsCertificate = Setting(
        "tls.certificate", "File with the certificate chain, in PEM; SIGHUP reads it again.")
    static let tlsKey = Setting("tls.key", "File with the private key, in PEM.")
    static let publicRESTURL = Setting(
        "public_rest_url", "Where partners reach the REST endpoint; partners.get shows it.")
    static let cacheMB = Setting("cache_mb", standard: "512", "Memory for sets, in MiB.")
    static let lockTimeout = Setting(
        "lock_timeout_ms", standard: "\(Limits.lockWait.value)", "How long a request waits for another one's lock.")
    static let shutdownDelaySeconds = Setting(
        "shutdown_delay_seconds", standard: "0",
        "From SIGTERM until nothing more is accepted; /readyz is 503 meanwhile, for balancers to see.")
    static let drainSeconds = Setting(
        "drain_seconds", standard: "\(Limits.drainSeconds.value)",
        "From then on until what is in flight is cut; at most 9.")
    static let historyDays = Setting(
        "history_days", standard: "0", "How long changes of sets and receipts are kept; 0 keeps them for ever.")
    static let erasureJournal = Setting(
        "erasure_journal",
        "A file, on other storage than the database's and its backups', in which each erasure is before it is acknowledged; of each server its own. migrate applies it."
    )
    static let exportKeepHours = Setting(
        "exports.keep_hours", standard: "4", "How long the archive of an export can be fetched.")
    static let eventDays = Setting(
        "events.retention_days", standard: "0",
        "Events and purchases go so many days after the end of their month; 0 keeps them for ever.")
    static let upkeepSeconds = Setting(
        "upkeep_seconds", standard: "5",
        "Between rounds of upkeep: snapshots are written anew, what is past its time goes.")
    static let allowOwnerRole = Setting(
        "allow_owner_role", standard: "false",
        "Serve as a role that sees all workspaces: the wall between them is the code alone.")
    static let exitOnRefusal = Setting(
        "exit_on_refusal", standard: "false",
        "End where PostgreSQL refuses connections and waiting won't help, such as for a wrong password.")
    static let logLevel = Setting(
        "log.level", standard: "info", "trace, debug, info, notice, warning, error or critical.")
    static let logFormat = Setting("log.format", standard: "text", "text or json, a line an event, to standard error.")
    static let serverRole = Setting(
        "server_role",
        "Of migrate: the role that servers connect as. Default: the one that the database names already, or muster_server."
    )
    static let serverRolePassword = Setting(
        "server_role_password", isSecret: true, keepsBlanks: true,
        "Of migrate: sets the password of the server's role.")
    static let changeSharedPassword = Setting(
        "change_shared_password", standard: "false",
        "Of migrate: sets it also where other databases use the role, whose servers then need the new one.")

    /// All of them, in the order of `--help`.
    static let all: [Setting] = [
        databaseURL, databaseConnections, listenHost, listenPort, listenInsecure, restHost, restPort, restInsecure,
        restRequestsPerHour, restServiceRequestsPerHour, opsHost, opsPort, opsInsecure,
        connections, unauthenticatedConnections, connectionsPerAddress, proxyProtocol,
        tlsCertificate, tlsKey,
        publicRESTURL,
        cacheMB, lockTimeout, shutdownDelaySeconds, drainSeconds, historyDays, eventDays, exportKeepHours,
        erasureJournal,
        upkeepSeconds, allowOwnerRole,
        exitOnRefusal,
        logLevel, logFormat,
        serverRole, serverRolePassword, changeSharedPassword,
    ]

    /// The table that `--help` ends with.
    static var table: String {
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
