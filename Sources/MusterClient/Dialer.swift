import MusterProtocol
import NIOCore
import NIOPosix
import NIOSSL

/// Opens connections.
final class Dialer {
    private let settings: MusterClientSettings
    private let loop: any EventLoop
    private var tls: NIOSSLContext?

    init(settings: MusterClientSettings, loop: any EventLoop) {
        self.settings = settings
        self.loop = loop
    }

    /// Starts to connect. The connection reports to the core; if there is none, the dialer reports the failure.
    func connect(for core: ClientCore) {
        let context: NIOSSLContext?
        do { context = try tlsContext() } catch {
            let fault = error as? TLSFault ?? .notAgreed(reason: "it can't be set up")
            let failure = fault.error(at: settings)
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
                        try channel.pipeline.syncOperations.addHandler(PlaintextDetector())
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

    /// A certificate can't name an IP address as a DNS name; the check compares its addresses instead.
    private static func tlsHandler(_ context: NIOSSLContext, _ host: String) throws -> NIOSSLClientHandler {
        try NIOSSLClientHandler(context: context, serverHostname: isAddress(host) ? nil : host)
    }

    static func isAddress(_ host: String) -> Bool { (try? SocketAddress(ipAddress: host, port: 0)) != nil }

    private func tlsContext() throws -> NIOSSLContext? {
        guard case .tls(let file) = settings.security else { return nil }
        if let tls { return tls }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let file { configuration.trustRoots = .certificates(try Self.authorities(in: file)) }
        let context = try NIOSSLContext(configuration: configuration)
        tls = context
        return context
    }

    private static func authorities(in file: String) throws -> [NIOSSLCertificate] {
        guard let found = try? NIOSSLCertificate.fromPEMFile(file), !found.isEmpty else {
            throw TLSFault.authorities(file: file, cause: TransportWords.problem(readingFile: file))
        }
        return found
    }

    /// Describes briefly why connecting failed, without names of functions and their arguments.
    static func reason(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { reason($0.error) } ?? "the host does not exist"
        case let error as IOError: TransportWords.system(error.errnoCode)
        case ChannelError.connectTimeout: "it doesn't answer"
        case NIOSSLError.handshakeFailed, NIOSSLError.uncleanShutdown:
            "the server closed the connection during the TLS handshake"
        default: "\(error)"
        }
    }
}

/// Inspects the first bytes from the server before TLS does, to detect a plaintext server.
final class PlaintextDetector: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let first = unwrapInboundIn(data).readableBytesView.first
        // The types of TLS records: change of cipher, alert, handshake, data.
        guard let first, (20...23).contains(first) else {
            context.fireErrorCaught(TLSFault.serverSpeaksPlaintext)
            return
        }
        context.fireChannelRead(data)
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }
}
