import MusterProtocol

/// Where a listener listens, and how it is to be trusted.
public struct ListenerSettings: Sendable {
    /// The host's name or address.
    public var host: String
    /// 0 lets the system choose, and `Listener.boundPort` tells.
    public var port: Int
    /// The certificate and its key; without them the listener speaks plaintext.
    public var tls: TLSFiles?
    /// Whether a listener without certificate may start at all. Who sets it has made sure that nobody can listen in.
    public var allowPlaintext: Bool
    /// Connections, each a descriptor, that are open at once, whatever becomes of them; more stay in the system's
    /// backlog.
    public var maxConnections = Int.max
    /// Whether each connection begins with the header of the PROXY protocol, version 2: the address in it is the
    /// caller's.
    public var expectsProxyHeader = false
    /// How long that header may take.
    public var proxyHeaderPatience: Duration = .seconds(5)

    /// A listener of this machine, unless told otherwise.
    public init(host: String = "127.0.0.1", port: Int, tls: TLSFiles? = nil, allowPlaintext: Bool = false) {
        self.host = host
        self.port = port
        self.tls = tls
        self.allowPlaintext = allowPlaintext
    }
}

/// Where a certificate chain and its private key are, both in PEM.
public struct TLSFiles: Sendable, Equatable {
    /// The chain, the server's own certificate first.
    public var certificateFile: String
    /// The private key.
    public var keyFile: String

    /// Files in PEM.
    public init(certificateFile: String, keyFile: String) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
    }
}

/// Why a listener could not start.
public enum ListenerError: Error, Equatable, CustomStringConvertible {
    /// Somebody listens there already.
    case addressInUse(host: String, port: Int)
    /// The system refuses the address.
    case cannotListen(host: String, port: Int, reason: String)
    /// There is no certificate, and plaintext was not allowed.
    case plaintextNotAllowed
    /// The certificate or its key can't be used.
    case certificate(reason: String)
    /// It was started before.
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
