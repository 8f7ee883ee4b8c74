public import Logging
public import MusterHandlers
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import ServiceLifecycle

/// The second listener: Braze's wire over HTTP. Every route decodes to the calls that the RPC has, so that no rule lives here twice.
///
/// The connections are NIO's and ours, for the bounds on what a stranger can make the server hold; Hummingbird finds the route.
public final class RESTServer: Sendable {
    /// How much there is of it right now.
    public struct Status: Sendable, Equatable {
        /// Open connections.
        public var connections: Int
        /// Requests whose answers have not been written.
        public var requestsInFlight: Int

        /// So much of it.
        public init(connections: Int, requestsInFlight: Int) {
            self.connections = connections
            self.requestsInFlight = requestsInFlight
        }
    }

    private let settings: RESTServerSettings
    private let certificate: Certificate
    private let logger: Logger
    private let responder: RESTResponder
    private let connections: RESTConnections
    private let strangers: ByteBudget
    private let channel = NIOLockedValueBox<(any Channel)?>(nil)
    private let accepted = AsyncStream.makeStream(of: Conversation.self)
    private let group = MultiThreadedEventLoopGroup.singleton

    /// A server that answers with the calls of `router`, on the event loops of the process.
    public init(settings: RESTServerSettings, router: MusterHandlers.Router, logger: Logger) {
        self.settings = settings
        self.logger = logger
        certificate = Certificate(settings.tls)
        let desk = AccessDesk(router: router, mostInFlight: settings.bounds.requestsInFlightPerKey)
        responder = RESTResponder(RESTRoutes(desk: desk, router: router, logger: logger))
        connections = RESTConnections(most: settings.bounds.connections)
        strangers = ByteBudget(settings.bounds.strangers)
    }

    /// The port that it listens on, once it has started.
    public var boundPort: Int? { channel.withLockedValue { $0?.localAddress?.port } }

    /// How much there is of it right now.
    public var status: Status {
        Status(connections: connections.count, requestsInFlight: responder.inFlight.count)
    }

    /// Bytes that are held of bodies whose callers are not known yet.
    public var strangerBytes: Int { strangers.taken }

    /// Certificate and key as they are in the files now; connections that are open keep the old one.
    public func reloadCertificate() throws {
        guard settings.tls != nil || settings.allowPlaintext else { throw RESTServerError.plaintextNotAllowed }
        try certificate.reload()
    }

    // MARK: Running

    /// Serves until a graceful shutdown, then answers what is in flight and returns; or until a cancellation, which cuts everything.
    public func run() async throws {
        try reloadCertificate()
        let listener = try await listen()
        channel.withLockedValue { $0 = listener }
        logger.info(
            "REST listens", metadata: ["address": "\(listener.localAddress.map(String.init(describing:)) ?? "?")"])
        // Not a child of this task: what doesn't heed its cancellation after a cut must not hold up the end of the process.
        let serving = Task { await serve() }
        do {
            try await gracefulShutdown()
            await drain(listener)
        } catch {
            try? await listener.close()
            await cut()
        }
        serving.cancel()
    }

    private func serve() async {
        await withDiscardingTaskGroup { group in
            for await conversation in accepted.stream {
                group.addTask { [responder] in await conversation.hold(responder) }
            }
        }
    }

    /// Accepts nothing more, answers what is in flight, and cuts what lasts too long.
    private func drain(_ listener: any Channel) async {
        try? await listener.close()
        connections.drain()
        let connections = connections
        let cut = group.next().scheduleTask(in: TimeAmount(settings.bounds.drain)) { connections.cut() }
        await connections.allGone()
        cut.cancel()
        accepted.continuation.finish()
    }

    private func cut() async {
        connections.cut()
        await connections.allGone()
        accepted.continuation.finish()
    }

    // MARK: Listening

    private func listen() async throws -> any Channel {
        let address = "\(settings.host):\(settings.port)"
        do {
            return try await bootstrap().bind(host: settings.host, port: settings.port).get()
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw RESTServerError.addressInUse(address)
        } catch {
            throw RESTServerError.cannotListen(address, reason: "\(error)")
        }
    }

    private func bootstrap() -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture { try accept(channel) }
            }
            .childChannelOption(.autoRead, value: false)  // a connection reads when it wants a request, or its body
            .childChannelOption(.maxMessagesPerRead, value: 1)  // 64 KiB at a time: what a stranger can make us hold
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
    }

    private func accept(_ channel: any Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        if let context = certificate.context { try pipeline.addHandler(NIOSSLServerHandler(context: context)) }
        let connection = RESTConnection(bounds: settings.bounds, strangers: strangers)
        switch connections.add(connection, on: channel.eventLoop) {
        case .taken: try speakHTTP(channel, connection)
        case .surplus: try pipeline.addHandler(SurplusConnection(linger: TimeAmount(settings.bounds.linger)))
        case .refused: throw ChannelError.inappropriateOperationForState  // closes it
        }
        channel.closeFuture.assumeIsolated().whenComplete { [connections] _ in connections.remove(connection) }
    }

    private func speakHTTP(_ channel: any Channel, _ connection: RESTConnection) throws {
        let pipeline = channel.pipeline.syncOperations
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldCount = settings.bounds.headerFields
        limits.maxHeaderFieldSize = settings.bounds.headerField
        limits.maxHeaderListSize = settings.bounds.header
        try pipeline.addHandler(FirstBytes(connection))
        try pipeline.configureHTTPServerPipeline(
            withPipeliningAssistance: true, withErrorHandling: false, withOutboundHeaderValidation: true,
            withEncoderConfiguration: .init(), withDecoderLimitConfiguration: limits)
        try pipeline.addHandler(connection)
        let gone = channel.eventLoop.makePromise(of: Void.self)
        connection.gone = gone
        accepted.continuation.yield(Conversation(requests: connection.requests.stream, gone: gone.futureResult))
    }
}
