public import Logging
public import MusterHandlers
public import MusterMetrics
import MusterTLS
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

    private let name: String
    private let settings: RESTServerSettings
    private let certificate: Certificate
    private let logger: Logger
    private let responder: RESTResponder
    private let connections: RESTConnections
    private let strangers: ByteBudget
    private let channel = NIOLockedValueBox<(any Channel)?>(nil)
    private let serving = NIOLockedValueBox<Task<Void, Never>?>(nil)
    private let accepted = AsyncStream.makeStream(of: Conversation.self)
    private let group = MultiThreadedEventLoopGroup.singleton

    /// A server that answers with the calls of `router`, on the event loops of the process.
    ///
    /// - Parameters:
    ///   - gate: judges who comes as a partner.
    ///   - archives: exports that can be fetched; nil where there are none.
    public convenience init(
        settings: RESTServerSettings, router: MusterHandlers.Router, gate: PartnerGate, archives: ExportArchives?,
        logger: Logger
    ) {
        let routes = RESTRoutes(
            desk: AccessDesk(router: router, mostInFlight: settings.bounds.requestsInFlightPerKey), gate: gate,
            limiter: RateLimiter(perHour: settings.requestsPerHour), router: router,
            exports: ExportRoutes(archives: archives, scheme: settings.tls == nil ? "http" : "https"),
            logger: logger)
        self.init(name: "REST", settings: settings, responder: RESTResponder(routes), logger: logger)
    }

    /// A server that answers with what `responder` says.
    init(name: String, settings: RESTServerSettings, responder: RESTResponder, logger: Logger) {
        self.name = name
        self.settings = settings
        self.logger = logger
        self.responder = responder
        certificate = Certificate(settings.tls)
        connections = RESTConnections(most: settings.bounds.connections)
        strangers = ByteBudget(settings.bounds.strangers)
    }

    /// The port that it listens on, once it has started.
    public var boundPort: Int? { channel.withLockedValue { $0?.localAddress?.port } }

    /// How much there is of it right now.
    public var status: Status {
        Status(connections: connections.count, requestsInFlight: responder.counts.inFlight)
    }

    /// Bytes that are held of bodies whose callers are not known yet.
    public var strangerBytes: Int { strangers.taken }

    /// Writes what it is like right now, and what it answered, onto a page.
    public func writeMetrics(to page: inout Exposition) {
        responder.counts.write(to: &page)
        page.gauge(
            "muster_http_stranger_bytes", "Bytes held of bodies whose callers are not known yet.", strangers.taken)
    }

    /// Certificate and key as they are in the files now; connections that are open keep the old one.
    public func reloadCertificate() throws {
        guard settings.tls != nil || settings.allowPlaintext else { throw RESTServerError.plaintextNotAllowed }
        do { try certificate.reload() } catch { throw RESTServerError.certificate(reason: "\(error)") }
    }

    // MARK: Running

    /// Serves until a graceful shutdown, then answers what is in flight and returns; or until a cancellation, which cuts everything.
    public func run() async throws {
        try await start()
        do {
            try await gracefulShutdown()
            await drain()
        } catch {
            await cutNow()
        }
    }

    /// Begins to listen; returns when connections are accepted.
    func start() async throws {
        try reloadCertificate()
        let listener = try await listen()
        channel.withLockedValue { $0 = listener }
        logger.info(
            "\(name) listens", metadata: ["address": "\(listener.localAddress.map(String.init(describing:)) ?? "?")"])
        // Nobody's child: what doesn't heed its cancellation after a cut must not hold up the end of the process.
        serving.withLockedValue { $0 = Task { await serve() } }
    }

    private func serve() async {
        await withDiscardingTaskGroup { group in
            for await conversation in accepted.stream {
                group.addTask { [responder] in await conversation.hold(responder) }
            }
        }
    }

    /// Accepts nothing more, answers what is in flight, and cuts what lasts too long.
    private func drain() async {
        try? await channel.withLockedValue(\.self)?.close()
        connections.drain()
        let connections = connections
        let cut = group.next().scheduleTask(in: TimeAmount(settings.bounds.drain)) { connections.cut() }
        await connections.allGone()
        cut.cancel()
        end()
    }

    /// Closes everything at once.
    func cutNow() async {
        try? await channel.withLockedValue(\.self)?.close()
        connections.cut()
        await connections.allGone()
        end()
    }

    private func end() {
        accepted.continuation.finish()
        serving.withLockedValue { $0 }?.cancel()
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
