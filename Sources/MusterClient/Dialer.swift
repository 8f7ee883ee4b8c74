import MusterProtocol
import NIOCore
import NIOPosix
import NIOSSL

/// Makes connections.
final class Dialer {
    private let settings: MusterClientSettings
    private let loop: any EventLoop
    private var tls: NIOSSLContext?

    init(settings: MusterClientSettings, loop: any EventLoop) {
        self.settings = settings
        self.loop = loop
    }

    /// Connects; what becomes of it the core hears from the connection, or from here where there is none.
    func connect(for core: ClientCore) {
        let context: NIOSSLContext?
        do { context = try tlsContext() } catch {
            let failure = RPCError(.unavailable, "TLS can't be set up: \(error)", cause: error)
            return loop.assumeIsolated().execute { core.connectFailed(failure, isFinal: true) }
        }
        let core = NIOLoopBound(core, eventLoop: loop)
        let settings = settings
        ClientBootstrap(group: loop)
            .connectTimeout(TimeAmount(settings.connectTimeout))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let context {
                        try channel.pipeline.syncOperations.addHandler(Self.tlsHandler(context, settings.host))
                    }
                    try channel.pipeline.syncOperations.addHandler(ClientConnection(core: core.value))
                }
            }
            .connect(host: settings.host, port: settings.port)
            .assumeIsolated().whenFailure { error in
                let failure = RPCError(
                    .unavailable, "can't connect to \(settings): \(Self.reason(error))", cause: error)
                core.value.connectFailed(failure, isFinal: false)
            }
    }

    /// An address has no name that a certificate could show; it is looked for among the certificate's addresses then.
    private static func tlsHandler(_ context: NIOSSLContext, _ host: String) throws -> NIOSSLClientHandler {
        let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
        return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
    }

    private func tlsContext() throws -> NIOSSLContext? {
        guard case .tls(let file) = settings.security else { return nil }
        if let tls { return tls }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let file { configuration.trustRoots = .file(file) }
        let context = try NIOSSLContext(configuration: configuration)
        tls = context
        return context
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { "\($0.error)" } ?? "there is no such host"
        default: "\(error)"
        }
    }

    /// A server that shows a wrong certificate will show it again.
    static func isFinal(_ error: any Error) -> Bool {
        switch error {
        case NIOSSLError.handshakeFailed: true
        case is NIOSSLExtraError: true
        default: false
        }
    }
}
