import MusterProtocol

/// The address of a listener, its TLS and its bounds.
public struct ListenerSettings: Sendable {
    /// The host's name or address.
    public var host: String
    /// The port. With 0 the system chooses one, which `Listener.boundPort` returns.
    public var port: Int
    /// The certificate and its key; nil means plaintext.
    public var tls: TLSFiles?
    /// Whether the listener may start without a certificate. The operator must make sure that the network is private.
    public var allowPlaintext: Bool
    /// The most connections open at once, in any state, each a descriptor; more wait in the system's backlog.
    public var maxConnections = Int.max
    /// Whether each connection begins with the header of the PROXY protocol, version 2, which has the caller's address.
    public var expectsProxyHeader = false
    /// The time for that header to arrive.
    public var proxyHeaderPatience: Duration = .seconds(5)

    /// Settings for this machine only, by default.
    public init(host: String = "127.0.0.1", port: Int, tls: TLSFiles? = nil, allowPlaintext: Bool = false) {
        self.host = host
        self.port = port
        self.tls = tls
        self.allowPlaintext = allowPlaintext
    }
}

/// The files of a certificate chain and its private key, both in PEM.
public struct TLSFiles: Sendable, Equatable {
    /// The chain, the server's own certificate first.
    public var certificateFile: String
    /// The private key.
    public var keyFile: String

    /// Two files in PEM.
    public init(certificateFile: String, keyFile: String) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
    }
}

/// Why a listener could not start.
public enum ListenerError: Error, Equatable, CustomStringConvertible {
    /// Another process listens on the address.
    case addressInUse(host: String, port: Int)
    /// The system refuses the address.
    case cannotListen(host: String, port: Int, reason: String)
    /// There is no certificate, and plaintext is not allowed.
    case plaintextNotAllowed
    /// The certificate or its key can't be used.
    case certificate(reason: String)
    /// The listener was started before.
    case startedTwice

    /// One sentence for the operator.
    public var description: String {
        switch self {
        case .addressInUse(let host, let port): "another program listens on \(joinedHostAndPort(host, port)) already"
        case .cannotListen(let host, let port, let reason):
            "can't listen on \(joinedHostAndPort(host, port)): \(reason)"
        case .plaintextNotAllowed: "there is no certificate, and plaintext was not allowed"
        case .certificate(let reason): "the certificate or its key can't be used: \(reason)"
        case .startedTwice: "the listener was started before"
        }
    }
}
