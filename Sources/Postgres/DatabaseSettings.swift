import CLibpq
import Glibc

/// How to reach PostgreSQL and how much of it to use.
public struct DatabaseSettings: Sendable {
    /// What libpq understands: `host=… dbname=…` or a `postgresql://` URL, several hosts and `target_session_attrs`
    /// included. What it says wins over the defaults that are given to libpq here.
    public var connectionString: String
    /// Connections, each with a thread of its own; PostgreSQL runs about two busy ones per core well.
    public var connections = 8
    /// Further connections that do nothing but urgent work, such as proving keys: it never waits for other work.
    public var urgentConnections = 0
    /// Units of work that may wait for a connection, of reads and of writes each; so memory stays bounded.
    public var queueCapacity = 512
    /// For how long work may wait while there is no connection at all; it is `unavailable` from then on, at once, until one is made.
    /// Nil: until its deadline.
    public var outagePatienceMilliseconds: Int?
    /// How long a statement waits for a lock before it fails with 55P03.
    public var lockTimeoutMilliseconds = 2000
    /// After how long the server ends a transaction whose client says nothing, and frees its locks.
    public var idleInTransactionTimeoutMilliseconds = 10_000
    /// The name in `pg_stat_activity`.
    public var applicationName = "muster"
    /// How long one attempt to connect may take; with several hosts the next attempt begins at the next host.
    public var connectTimeoutMilliseconds = 3000
    /// Prepared statements that a connection keeps: each costs the server some 10 KB. The least recently used goes first.
    public var statementCacheCapacity = 256
    /// A connection is replaced at about this age, so that what a backend has gathered in memory is given back.
    public var maximumConnectionAgeSeconds = 1800
    /// Further settings of the session, such as `plan_cache_mode`: `force_generic_plan`. They are set by statement when
    /// the connection is made and read back, so that no pooler between can lose them. What the connection string's
    /// `options` say wins.
    public var sessionSettings: [String: String] = [:]

    /// The defaults, for a server.
    public init(connectionString: String) { self.connectionString = connectionString }

    /// Throws when libpq cannot read the connection string. Shows nothing of it: it can hold a password.
    public func validate() throws { _ = try ConnectionTarget(self) }
}

/// The settings as the keywords of libpq.
struct ConnectionTarget {
    private var settings: DatabaseSettings
    private var given: [String: String]
    /// What must hold in each session, by name. It is not sent with the startup packet, of which poolers refuse or
    /// ignore it.
    let sessionSettings: [(name: String, value: String)]
    /// What the connection string's `options` say that is no setting; libpq sends it.
    private let otherOptions: String?
    /// Whether the connection string has `options`, so that PGOPTIONS doesn't count.
    private let hasOptions: Bool
    /// How many hosts to pass over at the beginning of the list; they come last instead.
    private var rotation = 0

    init(_ settings: DatabaseSettings) throws {
        self.settings = settings
        var given: [String: String] = [:]
        guard !settings.connectionString.utf8.contains(0), let options = PQconninfoParse(settings.connectionString, nil)
        else { throw PostgresError(.misuse, "libpq cannot read the connection string") }
        defer { PQconninfoFree(options) }
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { given[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        ConnectionString.cutBrackets(&given)
        let own = given.removeValue(forKey: "options")
        self.given = given
        let environment = getenv("PGOPTIONS").map { String(cString: $0) }
        let ofOptions = (own ?? environment).flatMap { StartupOptions($0) }
        // What PGOPTIONS says is libpq's to send, and may be ignored by a pooler just the same.
        otherOptions = ofOptions == nil ? own : nil
        hasOptions = own != nil
        var all = settings.sessionSettings
        all["lock_timeout"] = String(settings.lockTimeoutMilliseconds)
        all["idle_in_transaction_session_timeout"] = String(settings.idleInTransactionTimeoutMilliseconds)
        all.merge(ofOptions?.settings ?? [:]) { $1 }
        sessionSettings = all.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// libpq has no time limit per host when it does not block, so a host that swallows packets would be tried first for ever.
    mutating func passOverFirstHost() { rotation += 1 }

    /// Keywords and values: defaults, then the connection string's own, then what this module relies on. For libpq with
    /// `expand_dbname`.
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

    /// In a string within the keywords an empty value counts, and is sent to nobody: of an empty `options` beside them
    /// libpq makes PGOPTIONS.
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
