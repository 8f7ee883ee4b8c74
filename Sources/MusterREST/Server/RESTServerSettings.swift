/// What a REST server needs to know: where to listen, how to be trusted, and which bounds to keep.
public struct RESTServerSettings: Sendable {
    /// Where to listen.
    public var host: String
    /// Where to listen; 0 lets the system choose, and `RESTServer.boundPort` tells.
    public var port: Int
    /// The server's certificate and key; without them the server speaks plaintext.
    public var tls: TLSFiles?
    /// Whether a server without certificate may start at all. Who sets it has made sure that nobody can listen in.
    public var allowPlaintext: Bool
    /// Requests in one hour of the clock that each key may send to this server; 0 is no limit.
    public var requestsPerHour: Int

    /// Settings with the bounds of `Limits`.
    public init(
        host: String = "127.0.0.1", port: Int, tls: TLSFiles? = nil, allowPlaintext: Bool = false,
        requestsPerHour: Int = 250_000
    ) {
        self.host = host
        self.port = port
        self.tls = tls
        self.allowPlaintext = allowPlaintext
        self.requestsPerHour = requestsPerHour
    }

    /// Where the certificate chain and its private key are, both in PEM.
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
}

/// Why a REST server can't start.
public enum RESTServerError: Error, CustomStringConvertible {
    /// Another process listens there.
    case addressInUse(String)
    case cannotListen(String, reason: String)
    case plaintextNotAllowed
    case certificate(reason: String)

    /// What it means.
    public var description: String {
        switch self {
        case .addressInUse(let address): "another process listens on \(address)"
        case .cannotListen(let address, let reason): "can't listen on \(address) (\(reason))"
        case .plaintextNotAllowed: "a REST server without certificate was not allowed"
        case .certificate(let reason): "the certificate of the REST server can't be used (\(reason))"
        }
    }
}
