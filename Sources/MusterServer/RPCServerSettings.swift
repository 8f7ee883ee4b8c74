import MusterProtocol
public import MusterTLS

/// What an RPC server needs to know: where to listen, how to be trusted, and which bounds to keep.
public struct RPCServerSettings: Sendable {
    /// Where to listen.
    public var host: String
    /// Where to listen; 0 lets the system choose, and `RPCServer.boundPort` tells.
    public var port: Int
    /// The server's certificate and key; without them the server speaks plaintext.
    public var tls: TLSFiles?
    /// Whether a server without certificate may start at all. Who sets it has made sure that nobody can listen in.
    public var allowPlaintext: Bool
    /// The bounds; tests set shorter ones.
    public var bounds: Bounds

    /// Settings with the bounds of `Limits`.
    public init(
        host: String = "127.0.0.1", port: Int, tls: TLSFiles? = nil, allowPlaintext: Bool = false,
        bounds: Bounds = Bounds()
    ) {
        self.host = host
        self.port = port
        self.tls = tls
        self.allowPlaintext = allowPlaintext
        self.bounds = bounds
    }
}

extension RPCServerSettings {
    /// What a connection may take. `Limits` has the values that callers are told.
    public struct Bounds: Sendable {
        /// Open connections; one more is refused.
        public var connections = Limits.connections.value
        /// Requests in flight on one connection; then nothing more is read from it.
        public var requestsInFlight = Limits.requestsInFlight.value
        /// Requests in flight of one key, over all of its connections.
        public var requestsInFlightPerKey = Limits.requestsInFlightPerKey.value
        /// From connecting, TLS included, to the answer of `session.open`.
        public var open: Duration = .seconds(Limits.openSeconds.value)
        /// Without a request.
        public var idle: Duration = .seconds(Limits.idleSeconds.value)
        /// From the first byte of a frame to its last: who sends slower than that holds memory for nothing.
        public var frame: Duration = .seconds(30)
        /// Of silence, until the server asks for a sign of life.
        public var silence: Duration = .seconds(60)
        /// Until that sign has come.
        public var pong: Duration = .seconds(20)
        /// That a peer may leave its answers unread.
        public var unread: Duration = .seconds(30)
        /// Bytes of answers that wait for one peer to read them; more ends the connection.
        public var unreadBytes = 64 << 20
        /// From the beginning of a shutdown until what is still in flight is cut.
        public var drain: Duration = .seconds(Limits.drainSeconds.value)
        /// After the last frame, for the peer to read it: a socket closed with bytes unread would take it away again.
        public var linger: Duration = .milliseconds(500)
        /// Cancels, and as many pings, pongs and wrong messages, in `floodWindow`; one more ends the connection.
        public var flood = 200
        /// What `flood` is counted over.
        public var floodWindow: Duration = .seconds(30)

        /// The bounds of `Limits`.
        public init() {}

        /// How often a connection looks at its clocks: often enough for the shortest of them.
        var tick: Duration {
            let shortest = min(open, idle, frame, silence, pong, unread)
            return min(.seconds(1), max(.milliseconds(10), shortest / 4))
        }
    }
}

/// Why a server could not start.
public enum RPCServerError: Error, Sendable, Equatable, CustomStringConvertible {
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
        case .addressInUse(let host, let port): "another program listens on \(host):\(port) already"
        case .cannotListen(let host, let port, let reason): "can't listen on \(host):\(port): \(reason)"
        case .plaintextNotAllowed: "there is no certificate, and plaintext was not allowed"
        case .certificate(let reason): "the certificate or its key can't be used: \(reason)"
        case .startedTwice: "the server was started before"
        }
    }
}
