import Glibc

/// How to connect to PostgreSQL and how much of it to use.
public struct DatabaseSettings: Sendable {
    /// A connection string of libpq: `host=… dbname=…` or a `postgresql://` URL, with several hosts and
    /// `target_session_attrs` if wanted. It overrides the defaults that are passed to libpq here.
    public var connectionString: String
    /// Connections, each with its own thread; PostgreSQL handles about two busy ones per core well.
    public var connections = 8
    /// Additional connections only for urgent work, such as key checks, which never waits for other work.
    public var urgentConnections = 0
    /// Units of work that may wait for a connection, for reads and writes each; bounds the memory.
    public var queueCapacity = 512
    /// How long work may wait while there is no connection. After that, work fails at once with `unavailable` until
    /// there is one. Nil: until its deadline.
    public var outagePatienceMilliseconds: Int?
    /// How long a statement waits for a lock before it fails with 55P03.
    public var lockTimeoutMilliseconds = 2000
    /// How long a transaction may be idle before the server ends it and releases its locks.
    public var idleInTransactionTimeoutMilliseconds = 10_000
    /// The name in `pg_stat_activity`.
    public var applicationName = "muster"
    /// The time limit of one connection attempt; with several hosts the next attempt starts at the next host.
    public var connectTimeoutMilliseconds = 3000
    /// Prepared statements that a connection keeps, about 10 KB of server memory each. The least recently used is
    /// dropped first.
    public var statementCacheCapacity = 256
    /// A connection is replaced at about this age, so that the backend's accumulated memory is released.
    public var maximumConnectionAgeSeconds = 1800
    /// Further session settings, such as `plan_cache_mode`: `force_generic_plan`. They are set by a statement after
    /// connecting and read back, so that a pooler in between can't drop them. The connection string's `options` take
    /// precedence.
    public var sessionSettings: [String: String] = [:]

    /// The defaults of a server.
    public init(connectionString: String) { self.connectionString = connectionString }

    /// Throws when libpq can't parse the connection string. The error contains nothing of it, because it can hold a
    /// password.
    public func validate() throws { _ = try ConnectionTarget(self) }
}

/// The settings as keywords of libpq.
struct ConnectionTarget {
    private var settings: DatabaseSettings
    private var given: [String: String]
    /// The settings that each session must have, by name. They are not in the startup packet, because poolers refuse or
    /// ignore them there.
    let sessionSettings: [(name: String, value: String)]
    /// The part of the connection string's `options` that is not a setting; libpq sends it.
    private let otherOptions: String?
    /// Whether the connection string has `options`, which override PGOPTIONS.
    private let hasOptions: Bool
    /// How many hosts at the start of the list to move to its end.
    private var rotation = 0

    init(_ settings: DatabaseSettings) throws {
        self.settings = settings
        var given = try ConnectionString(settings.connectionString).keywords
        let own = given.removeValue(forKey: "options")
        self.given = given
        let environment = getenv("PGOPTIONS").map { String(cString: $0) }
        let ofOptions = (own ?? environment).flatMap { StartupOptions($0) }
        // libpq sends the content of PGOPTIONS, which a pooler may ignore as well.
        otherOptions = ofOptions == nil ? own : nil
        hasOptions = own != nil
        var all = settings.sessionSettings
        all["lock_timeout"] = String(settings.lockTimeoutMilliseconds)
        all["idle_in_transaction_session_timeout"] = String(settings.idleInTransactionTimeoutMilliseconds)
        all.merge(ofOptions?.settings ?? [:]) { $1 }
        sessionSettings = all.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// libpq has no time limit per host in non-blocking mode, so it would try a host that drops packets forever.
    mutating func passOverFirstHost() { rotation += 1 }

    /// Keywords and values for libpq with `expand_dbname`: defaults, then the connection string, then what this module
    /// relies on.
    var keywords: [(String, String)] {
        var all = [
            "gssencmode": "disable", "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3",
            "tcp_user_timeout": "30000", "target_session_attrs": "read-write",
            "application_name": settings.applicationName,
        ]
        all.merge(given) { $1 }
        all["client_encoding"] = "UTF8"
        all["dbname"] = database.text
        if let otherOptions { all["options"] = otherOptions }
        let count = ["host", "hostaddr"].compactMap { all[$0] }.map { Self.list($0).count }.max() ?? 1
        for keyword in ["host", "hostaddr", "port"] {
            guard let value = all[keyword], case let list = Self.list(value), list.count == count else { continue }
            let first = rotation % count
            all[keyword] = (list[first...] + list[..<first]).joined(separator: ",")
        }
        return all.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// In a string within the keywords, an empty value counts but is not sent. An empty `options` keyword would make
    /// libpq use PGOPTIONS.
    private var database: ConnectionString {
        var string = ConnectionString()
        string["dbname"] = given["dbname"]
        if hasOptions { string["options"] = "" }
        return string
    }

    private static func list(_ value: String) -> [Substring] {
        value.split(separator: ",", omittingEmptySubsequences: false)
    }
}
