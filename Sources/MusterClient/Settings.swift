import MusterProtocol

/// Where the server is, who is calling, and how carefully.
public struct MusterClientSettings: Sendable {
    /// How the connection is protected.
    public enum Security: Sendable, Equatable {
        /// TLS, believing the system's certificate authorities, or those in a PEM file.
        case tls(authoritiesFile: String? = nil)
        /// Nothing: who can listen in reads the key.
        case plaintext
    }

    /// The server's name or address.
    public var host: String
    /// The server's port.
    public var port: Int
    /// A service key or data import key. Never printed.
    public var key: String
    /// TLS, unless the host is this machine or the caller says otherwise.
    public var security: Security
    /// Connections to keep at most; each holds 128 calls in flight.
    public var connections = 1
    /// For calls that name no deadline of their own; it covers connecting and all repeats.
    public var deadline: Duration = .seconds(10)
    /// Whether calls are repeated where that is safe, and lost connections are waited for. Without it the first failure is final.
    public var repeats = true
    /// For one attempt to connect, TLS and `session.open` included.
    public var connectTimeout: Duration = .seconds(5)
    /// Of silence, until the client asks for a sign of life; and as long again until it gives the connection up.
    public var keepAlive: Duration = .seconds(20)
    /// Pauses between attempts: a random part of this, doubled each time up to `longestPause`.
    public var firstPause: Duration = .milliseconds(50)
    /// The longest such pause.
    public var longestPause: Duration = .seconds(5)

    /// Settings; without `security` it is TLS, but plaintext on the loopback interface.
    ///
    /// - Parameters:
    ///   - host: in any form that people write: `[::1]`, `Muster.example.com.`
    ///   - key: white space around it is cut, such as the line end of a file that holds it.
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
