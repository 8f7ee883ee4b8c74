import MusterProtocol

/// Which server to call, with which key, and the bounds.
public struct MusterClientSettings: Sendable {
    /// How the connection is protected.
    public enum Security: Sendable, Equatable {
        /// TLS, trusting the system's certificate authorities, or those in a PEM file.
        case tls(authoritiesFile: String? = nil)
        /// Plaintext: an eavesdropper can read the key.
        case plaintext
    }

    /// The server's host name or address.
    public var host: String
    /// The server's port.
    public var port: Int
    /// A service key or data import key. Never printed.
    public var key: String
    /// TLS, unless the host is this machine or the caller chooses otherwise.
    public var security: Security
    /// How many connections are kept open; each has up to 128 calls in flight, and further calls wait. A call goes to
    /// the connection with the fewest. One is enough for most programs; several spread the calls over the servers
    /// behind a balancer.
    public var connections = 1
    /// The deadline of calls that name none; it includes connecting and all retries.
    public var deadline: Duration = .seconds(10)
    /// Whether to retry calls that are safe to repeat and to wait for lost connections. When false, the first failure
    /// is final.
    public var repeats = true
    /// For one connection attempt, including TLS and `session.open`.
    public var connectTimeout: Duration = .seconds(5)
    /// After this long without a message the client pings; after as long again it closes the connection.
    public var keepAlive: Duration = .seconds(20)
    /// Pause between attempts: a random fraction of this, doubled each time up to `longestPause`.
    public var firstPause: Duration = .milliseconds(50)
    /// The maximum pause.
    public var longestPause: Duration = .seconds(5)

    /// Makes settings; by default TLS, and plaintext on the loopback interface.
    ///
    /// - Parameters:
    ///   - host: in any common form: `[::1]`, `Muster.example.com.`
    ///   - key: surrounding white space is removed, such as the line break at the end of a key file.
    public init(host: String, port: Int, key: String, security: Security? = nil) {
        self.host = normalizedHost(host) ?? host
        self.port = port
        self.key = key.withoutWhiteSpaceAround
        self.security = security ?? (isLoopback(host) ? .plaintext : .tls())
    }
}

extension MusterClientSettings: CustomStringConvertible, CustomReflectable {
    /// Never the key.
    public var description: String { joinedHostAndPort(host, port) }
    /// Never the key.
    public var customMirror: Mirror { Mirror(self, children: ["host": host, "port": port]) }
}
