public import Logging
public import MusterHandlers
public import MusterListener
import MusterProtocol
import NIOCore
import NIOPosix
public import ServiceLifecycle
import Synchronization

/// The RPC listener: frames in, calls to the router, replies out.
///
/// It runs as a `Service`: a graceful shutdown drains it, and a cancellation closes it at once.
public final class RPCServer: Service {
    /// The current load of the server.
    public struct Status: Sendable, Equatable {
        /// Open connections.
        public var connections: Int
        /// Requests whose tasks have not ended.
        public var requestsInFlight: Int

        /// A load.
        public init(connections: Int, requestsInFlight: Int) {
            self.connections = connections
            self.requestsInFlight = requestsInFlight
        }
    }

    private let settings: RPCServerSettings
    private let server: ServerContext
    private let eventLoops: [ObjectIdentifier: EventLoopContext]
    private let listener: Listener

    /// A server that answers with `router`, on the event loops of the process.
    public init(settings: RPCServerSettings, router: CallRouter, logger: Logger) {
        self.settings = settings
        listener = Listener(name: "RPC", settings: settings.listener, logger: logger)
        server = ServerContext(router: router, bounds: settings.bounds, logger: logger)
        eventLoops = Dictionary(
            uniqueKeysWithValues: MultiThreadedEventLoopGroup.singleton.makeIterator().map {
                (ObjectIdentifier($0), EventLoopContext($0))
            })
    }

    /// The port that it listens on, once it has started.
    public var boundPort: Int? { listener.boundPort }

    /// Whether connections are accepted at this moment.
    public var isListening: Bool { listener.isListening }

    /// The current load.
    public var status: Status {
        Status(connections: server.connections.count, requestsInFlight: server.running.load(ordering: .relaxed))
    }

    /// How often accepting was paused.
    public var acceptPauses: AcceptPauses { listener.acceptPauses }

    /// Bytes of replies that are unread or being made.
    public var answerBytes: Int { server.answers.bytes }

    /// Connections that were cut because they left too many replies unread.
    public var unreadAborts: Int { server.answers.abortCount }

    // MARK: Running

    /// Begins to listen; returns when connections are accepted. Throws a `ListenerError`.
    public func start() async throws { try await listener.start { [self] in try accept($0, from: $1) } }

    /// Starts unless it is started, and serves until a graceful shutdown or a cancellation.
    public func run() async throws {
        if !listener.wasStarted { try await start() }
        do {
            try await gracefulShutdown()
            try await Task.sleep(for: settings.bounds.shutdownDelay)
            await drain()
        } catch {
            await abortNow()
        }
    }

    /// Stops accepting, sends goaway to every connection, finishes requests in flight, and cuts those that last too
    /// long.
    public func drain() async {
        await listener.stop()
        await server.connections.drain(patience: settings.bounds.drain)
    }

    /// Closes everything at once.
    public func abortNow() async {
        await listener.stop()
        await server.connections.abort()
    }

    /// Closes the connections of sessions that must end, such as those of an invalidated key.
    public func endSessions(where isMeant: @escaping @Sendable (Session) -> Bool, reason: String = "key invalidated") {
        server.connections.each { $0.endSession(where: isMeant, reason: reason) }
    }

    /// Reads certificate and key again, for new connections. Throws a `ListenerError`, and then keeps the old ones.
    public func reloadCertificate() throws { try listener.reloadCertificate() }

    private func accept(_ channel: any Channel, from address: PeerAddress?) throws {
        guard let eventLoop = eventLoops[ObjectIdentifier(channel.eventLoop)] else {
            throw ChannelError.inappropriateOperationForState
        }
        let connection = RPCConnection(
            server: server, eventLoop: eventLoop, answers: server.answers.open { channel.reset() })
        let admission = try server.connections.add(connection, of: channel, from: address)
        if case .surplus(let bound) = admission { connection.surplus = bound }
        // Above the high mark no request is read, which bounds what one peer leaves unread.
        try channel.syncOptions?.setOption(.writeBufferWaterMark, value: .init(low: 256 << 10, high: 1 << 20))
        try channel.pipeline.syncOperations.addHandler(connection)
    }
}
