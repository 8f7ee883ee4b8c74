public import Logging
public import MusterHandlers
import MusterProtocol
import MusterTLS
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import NIOSSL
public import ServiceLifecycle

/// The RPC listener: frames in, calls to the router, replies out.
///
/// It runs as a `Service`: a graceful shutdown drains it, a cancellation cuts it. NIO has SIGPIPE ignored for the whole
/// process, so that a peer that went away ends its connection and nothing else.
public final class RPCServer: Service {
    /// How much there is of it right now.
    public struct Status: Sendable, Equatable {
        /// Open connections.
        public var connections: Int
        /// Requests whose tasks have not ended.
        public var requestsInFlight: Int

        /// So much of it.
        public init(connections: Int, requestsInFlight: Int) {
            self.connections = connections
            self.requestsInFlight = requestsInFlight
        }
    }

    private enum State: Sendable {
        case new
        case listening(any Channel)
        case stopped
    }

    private let settings: RPCServerSettings
    private let logger: Logger
    private let shared: Shared
    private let group: MultiThreadedEventLoopGroup
    private let tools: [ObjectIdentifier: LoopTools]
    private let state = NIOLockedValueBox(State.new)
    private let certificate: Certificate

    /// A server that answers with `router`, on the event loops of the process.
    public init(settings: RPCServerSettings, router: Router, logger: Logger) {
        self.settings = settings
        self.logger = logger
        certificate = Certificate(settings.tls)
        shared = Shared(router: router, bounds: settings.bounds, logger: logger)
        group = .singleton
        tools = Dictionary(
            uniqueKeysWithValues: group.makeIterator().map { (ObjectIdentifier($0), LoopTools($0)) })
    }

    /// The port that it listens on, once it has started.
    public var boundPort: Int? {
        state.withLockedValue { if case .listening(let channel) = $0 { channel.localAddress?.port } else { nil } }
    }

    /// How much there is of it right now.
    public var status: Status {
        Status(connections: shared.connections.count, requestsInFlight: shared.connections.requestsInFlight)
    }

    // MARK: Running

    /// Begins to listen; returns when connections are accepted.
    public func start() async throws {
        guard state.withLockedValue({ if case .new = $0 { true } else { false } }) else {
            throw RPCServerError.startedTwice
        }
        try reloadCertificate()
        let channel = try await listen()
        state.withLockedValue { $0 = .listening(channel) }
        logger.info(
            "RPC listens", metadata: ["address": "\(channel.localAddress.map(String.init(describing:)) ?? "?")"])
    }

    /// Starts where that has not been done, and serves until a graceful shutdown or a cancellation.
    public func run() async throws {
        if state.withLockedValue({ if case .new = $0 { true } else { false } }) { try await start() }
        do {
            try await gracefulShutdown()
            await drain()
        } catch {
            await cutNow()
        }
    }

    /// Accepts nothing more, tells every connection to go, finishes what is in flight, and cuts what lasts too long.
    public func drain() async {
        await stopListening()
        shared.connections.drain("shutting down")
        let shared = shared
        let cut = group.next().scheduleTask(in: settings.bounds.drain.timeAmount) { shared.connections.cut() }
        await shared.connections.allGone()
        cut.cancel()
    }

    /// Closes everything at once.
    public func cutNow() async {
        await stopListening()
        shared.connections.cut()
        await shared.connections.allGone()
    }

    /// Closes the connections of sessions that are not to go on, such as those of a key that was invalidated.
    public func endSessions(where isMeant: @escaping @Sendable (Session) -> Bool, reason: String = "key invalidated") {
        shared.connections.endSessions(where: isMeant, reason: reason)
    }

    /// Reads certificate and key again; connections from now on get them. On an error the old ones stay.
    public func reloadCertificate() throws {
        guard settings.tls != nil || settings.allowPlaintext else { throw RPCServerError.plaintextNotAllowed }
        do { try certificate.reload() } catch { throw RPCServerError.certificate(reason: "\(error)") }
    }

    // MARK: Listening

    private func stopListening() async {
        let old = state.withLockedValue { state in
            defer { state = .stopped }
            return state
        }
        if case .listening(let channel) = old { try? await channel.close() }
    }

    private func listen() async throws -> any Channel {
        let (host, port) = (settings.host, settings.port)
        do {
            return try await bootstrap().bind(host: host, port: port).get()
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw RPCServerError.addressInUse(host: host, port: port)
        } catch {
            throw RPCServerError.cannotListen(host: host, port: port, reason: "\(error)")
        }
    }

    private func bootstrap() -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture { try accept(channel) }
            }
            .childChannelOption(.autoRead, value: false)  // a connection reads when it may take another request
            .childChannelOption(.maxMessagesPerRead, value: 1)  // 64 KiB at a time: what a stranger can make us hold
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 256 << 10, high: 1 << 20))
    }

    private func accept(_ channel: any Channel) throws {
        if let context = certificate.context {
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
        }
        guard let tools = tools[ObjectIdentifier(channel.eventLoop)] else {
            throw ChannelError.inappropriateOperationForState
        }
        let connection = Connection(shared: shared, tools: tools)
        channel.closeFuture.assumeIsolated().whenComplete { [shared] _ in shared.connections.remove(connection) }
        switch shared.connections.add(connection, on: channel.eventLoop) {
        case .taken: break
        case .surplus: connection.isSurplus = true
        case .refused: throw ChannelError.inappropriateOperationForState  // closes it
        }
        try channel.pipeline.syncOperations.addHandler(connection)
    }
}
