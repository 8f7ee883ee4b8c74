public import Logging
import MusterProtocol
import NIOConcurrencyHelpers
public import NIOCore
import NIOPosix
import NIOSSL

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Listens on a port and prepares its connections, in the same way for every wire.
///
/// NIO ignores SIGPIPE for the whole process, so that a vanished peer ends only its own connection.
public final class Listener: Sendable {
    /// Takes a new connection and its peer's address.
    public typealias Accept = @Sendable (any Channel, PeerAddress?) throws -> Void

    private enum State: Sendable {
        case new
        case starting
        case listening(any Channel)
        case stopped
    }

    private let name: String
    private let settings: ListenerSettings
    private let logger: Logger
    private let certificate: Certificate
    private let peerLog: RateLimitedLogger
    private let shortages: OncePerMinuteLogger
    private let pauses = NIOLockedValueBox(AcceptPauses())
    private let headers = ProxyHeaderQueue()
    private let state = NIOLockedValueBox(State.new)

    /// Descriptors of the event loops, which all listeners of the process share.
    public static var eventLoopDescriptors: Int {
        3 * MultiThreadedEventLoopGroup.singleton.makeIterator().reduce(0) { count, _ in count + 1 }
    }

    /// The most connections to one listener whose PROXY header has not arrived.
    public static let maxWithoutProxyHeader = ProxyHeaderQueue.maxConnections

    /// A listener on the event loops of the process, with a name for its log.
    public init(name: String, settings: ListenerSettings, logger: Logger) {
        self.name = name
        self.settings = settings
        self.logger = logger
        certificate = Certificate(settings.tls)
        peerLog = RateLimitedLogger(logger)
        shortages = OncePerMinuteLogger(logger)
    }

    /// The port that it listens on, once it has started.
    public var boundPort: Int? {
        state.withLockedValue { if case .listening(let channel) = $0 { channel.localAddress?.port } else { nil } }
    }

    /// Whether connections are accepted at this moment.
    public var isListening: Bool { state.withLockedValue { if case .listening = $0 { true } else { false } } }

    /// How often accepting was paused.
    public var acceptPauses: AcceptPauses { pauses.withLockedValue(\.self) }

    /// Whether it has been started.
    public var wasStarted: Bool { state.withLockedValue { if case .new = $0 { false } else { true } } }

    /// Begins to listen; returns when connections are accepted. Throws a `ListenerError`; it may be started again then.
    ///
    /// - Parameter accept: adds the handlers of a new connection after those of TLS, on its event loop. If it throws,
    ///   the connection is closed. The address is nil if it is unknown.
    public func start(accept: @escaping Accept) async throws {
        let isFirst = state.withLockedValue { state in
            guard case .new = state else { return false }
            state = .starting
            return true
        }
        guard isFirst else { throw ListenerError.startedTwice }
        let channel: any Channel
        do {
            try reloadCertificate()
            channel = try await bind(accept)
        } catch {
            state.withLockedValue { $0 = .new }
            throw error
        }
        state.withLockedValue { $0 = .listening(channel) }
        logger.info(
            "\(name) listens", metadata: ["address": "\(channel.localAddress.map(String.init(describing:)) ?? "?")"])
    }

    /// Stops accepting. Open connections stay open.
    public func stop() async {
        let old = state.withLockedValue { state in
            defer { state = .stopped }
            return state
        }
        if case .listening(let channel) = old { try? await channel.close() }
    }

    /// Reads certificate and key again, for new connections. Throws a `ListenerError`, and then keeps the old ones.
    public func reloadCertificate() throws {
        guard settings.tls != nil || settings.allowPlaintext else { throw ListenerError.plaintextNotAllowed }
        try certificate.reload()
    }

    private func bind(_ accept: @escaping Accept) async throws -> any Channel {
        let (host, port) = (settings.host, settings.port)
        do {
            return try await bootstrap(accept).bind(host: host, port: port).get()
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw ListenerError.addressInUse(host: host, port: port)
        } catch {
            throw ListenerError.cannotListen(host: host, port: port, reason: Self.reason(error))
        }
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as IOError: TransportWords.system(error.errnoCode)
        case is SocketAddressError: "there is no such host"
        default: "\(error)"
        }
    }

    private func bootstrap(_ accept: @escaping Accept) -> ServerBootstrap {
        ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        AcceptLimiter(
                            listener: name, maxConnections: settings.maxConnections, pauses: pauses, log: shortages))
                }
            }
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture { try meet(channel, accept) }
            }
            .childChannelOption(.autoRead, value: false)  // a connection reads when it may take more
            .childChannelOption(.maxMessagesPerRead, value: 1)  // 64 KiB at a time, also of unauthenticated peers
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
    }

    private func meet(_ channel: any Channel, _ accept: @escaping Accept) throws {
        guard settings.expectsProxyHeader else {
            return try begin(channel, channel.remoteAddress.flatMap(PeerAddress.init), accept)
        }
        try channel.pipeline.syncOperations.addHandler(
            ProxyHeaderHandler(
                listener: name, line: headers, log: peerLog, patience: TimeAmount(settings.proxyHeaderPatience)
            ) { [self] in try begin($0, $1, accept) })
    }

    private func begin(_ channel: any Channel, _ address: PeerAddress?, _ accept: Accept) throws {
        if let context = certificate.context {
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
            try channel.pipeline.syncOperations.addHandler(HandshakeLog(listener: name, log: peerLog))
        }
        try accept(channel, address)
    }
}
