import HTTPTypes
public import HummingbirdCore
public import Logging
public import MusterListener
public import MusterMetrics
import MusterProtocol
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
public import ServiceLifecycle

/// A response, and the template of the route that gave it.
public struct RoutedResponse: Sendable {
    let response: Response
    let route: String?

    /// - Parameter route: the label for its time; nil if no route matched.
    public init(_ response: Response, route: String? = nil) { (self.response, self.route) = (response, route) }
}

/// An HTTP listener that bounds a client's memory and time. Its responder knows the routes and keys.
///
/// Muster handles the connections with NIO: Hummingbird's own read bodies of any size and wait for slow clients
/// forever.
public final class HTTPServer: Service {
    /// Answers one request, valid or not. It runs on the shared threads, so that it blocks no connection.
    public typealias Respond = @Sendable (IncomingRequest) async -> RoutedResponse

    /// The load of the server right now.
    public struct Status: Sendable, Equatable {
        /// Open connections.
        public var connections: Int
        /// Requests whose responses have not been written.
        public var requestsInFlight: Int

        /// A load.
        public init(connections: Int, requestsInFlight: Int) {
            self.connections = connections
            self.requestsInFlight = requestsInFlight
        }
    }

    private let settings: HTTPServerSettings
    private let listener: Listener
    private let respond: Respond
    private let metrics: HTTPMetrics
    private let connections: OpenConnections<HTTPConnection>
    private let budgets: BodyBudgets
    private let answers: AnswerBudget
    private let serving = NIOLockedValueBox<Task<Void, Never>?>(nil)
    private let accepted = AsyncStream.makeStream(of: RequestStream.self)
    private let isWindingDown = NIOLockedValueBox(false)

    /// A server on the event loops of the process.
    ///
    /// - Parameters:
    ///   - name: its name in logs.
    ///   - routes: the route templates under which times are counted.
    ///   - respond: answers a request.
    public init(
        name: String, settings: HTTPServerSettings, routes: [String] = [], logger: Logger, respond: @escaping Respond
    ) {
        (self.settings, self.respond) = (settings, respond)
        let bounds = settings.bounds
        metrics = HTTPMetrics(routes: routes)
        listener = Listener(name: name, settings: settings.listener, logger: logger)
        connections = OpenConnections(
            maxConnections: bounds.connections, maxUnauthenticated: bounds.unauthenticatedConnections,
            maxSurplus: bounds.surplusConnections, maxPerAddress: bounds.connectionsPerAddress)
        answers = AnswerBudget(
            name: name,
            bounds: .init(
                maxBytes: bounds.unreadAnswers, maxPerConnection: bounds.unreadAnswers,
                maxInMaking: bounds.answersInMaking, patience: bounds.tick * 2),
            log: RateLimitedLogger(logger))
        budgets = BodyBudgets(
            unauthenticated: ByteBudget(bounds.unauthenticatedBodies), authenticated: ByteBudget(bounds.bodies))
    }

    /// The port that it listens on, once it has started.
    public var boundPort: Int? { listener.boundPort }

    /// Whether connections are accepted at this moment.
    public var isListening: Bool { listener.isListening }

    /// The current load.
    public var status: Status {
        Status(connections: connections.count, requestsInFlight: metrics.inFlight)
    }

    /// How often accepting was paused.
    public var acceptPauses: AcceptPauses { listener.acceptPauses }

    /// Bytes of bodies whose callers are not authenticated yet.
    public var unauthenticatedBodyBytes: Int { budgets.unauthenticated.taken }

    /// Bytes of all other bodies.
    public var authenticatedBodyBytes: Int { budgets.authenticated.taken }

    /// Bytes of responses that are unread or being made.
    public var answerBytes: Int { answers.bytes }

    /// Connections that were cut because they left too much unread.
    public var unreadAborts: Int { answers.abortCount }

    /// Writes its load, and counts of its responses, to a page.
    public func writeMetrics(to page: inout Exposition) {
        metrics.write(to: &page)
        page.gauge(
            "muster_http_unauthenticated_bytes", "Bytes held of bodies whose callers are not known yet.",
            unauthenticatedBodyBytes)
        page.gauge("muster_http_body_bytes", "Bytes held of all other bodies.", authenticatedBodyBytes)
    }

    /// Reads certificate and key again, for new connections. Throws a `ListenerError`, and then keeps the old ones.
    public func reloadCertificate() throws { try listener.reloadCertificate() }

    // MARK: Running

    /// Serves until a graceful shutdown, then answers requests in flight and returns. A cancellation cuts everything.
    public func run() async throws {
        try await start()
        do {
            try await gracefulShutdown()
            try await windDown()
            await drain()
        } catch {
            await abortNow()
        }
    }

    /// Begins to listen; returns when connections are accepted.
    public func start() async throws {
        try await listener.start { [self] in try accept($0, from: $1) }
        // Unstructured: a request that ignores its cancellation after a cut must not hold up the end of the process.
        serving.withLockedValue { $0 = Task { await serve() } }
    }

    private func answer(_ incoming: IncomingRequest) async {
        metrics.began()
        defer { metrics.ended() }
        let routed = await respond(incoming)
        metrics.answered(routed.response.status.code)
        do { try await routed.response.body.write(ResponseWriter(incoming, routed.response)) } catch {
            incoming.abort()
        }
        metrics.took(.now - incoming.time.began, on: routed.route)
    }

    private func serve() async {
        await withDiscardingTaskGroup { group in
            for await stream in accepted.stream {
                group.addTask { await stream.serve { [self] in await answer($0) } }
            }
        }
    }

    /// Still accepts requests, but each response is the last of its connection. So clients with open connections move
    /// to another server before connections are closed, when a request could be on its way.
    private func windDown() async throws {
        isWindingDown.withLockedValue { $0 = true }
        guard settings.bounds.shutdownDelay > .zero else { return }
        connections.each { $0.isClosing = true }
        try await Task.sleep(for: settings.bounds.shutdownDelay)
    }

    /// Stops accepting, answers requests in flight, and cuts those that last too long.
    private func drain() async {
        await listener.stop()
        await connections.drain(patience: settings.bounds.drain)
        end()
    }

    /// Closes everything at once.
    public func abortNow() async {
        await listener.stop()
        await connections.abort()
        end()
    }

    private func end() {
        accepted.continuation.finish()
        serving.withLockedValue { $0 }?.cancel()
    }

    private func accept(_ channel: any Channel, from address: PeerAddress?) throws {
        let connection = HTTPConnection(
            bounds: settings.bounds, budgets: budgets, connections: connections,
            answers: answers.open { channel.reset() })
        let admission = try connections.add(connection, of: channel, from: address)
        // After `add`: a wind-down that begins meanwhile either finds the connection or is seen here.
        connection.isClosing = isWindingDown.withLockedValue { $0 }
        switch admission {
        case .taken: try speakHTTP(channel, connection)
        case .surplus(let bound):
            try channel.pipeline.syncOperations.addHandler(
                OverloadHandler(
                    connections.refusal(bound), linger: TimeAmount(settings.bounds.linger), metrics: metrics))
        }
    }

    private func speakHTTP(_ channel: any Channel, _ connection: HTTPConnection) throws {
        let pipeline = channel.pipeline.syncOperations
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldCount = settings.bounds.headerFields
        limits.maxHeaderFieldSize = settings.bounds.headerField
        limits.maxHeaderListSize = settings.bounds.header
        let start = RequestStartHandler(connection)
        try pipeline.addHandler(start)
        try pipeline.configureHTTPServerPipeline(
            withPipeliningAssistance: true, withErrorHandling: false, withOutboundHeaderValidation: true,
            withEncoderConfiguration: .init(), withDecoderLimitConfiguration: limits)
        let parser = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
        try pipeline.addHandler(ParsedHeadHandler(start), position: .after(parser))
        try pipeline.addHandler(connection)
        let gone = channel.eventLoop.makePromise(of: Void.self)
        connection.gone = gone
        accepted.continuation.yield(RequestStream(requests: connection.requests.stream, gone: gone.futureResult))
    }
}
