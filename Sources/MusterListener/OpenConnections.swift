public import MusterProtocol
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

/// The handler of one connection, for the use of a shutdown. Called only on the connection's event loop.
public protocol DrainableConnection: AnyObject, SendableMetatype {
    /// Answers requests in flight, accepts no more, and closes.
    func drain()
    /// Closes now, whatever is in flight.
    func abort()
}

/// The open connections of a listener. A connection is unauthenticated until its handler reports a valid key.
public final class OpenConnections<Connection: DrainableConnection>: Sendable {
    private struct Handle: Sendable {
        let channel: any Channel
        let connection: NIOLoopBound<Connection>
    }

    private struct State {
        var handles: [ObjectIdentifier: Handle] = [:]
        var admissions: AdmissionQueue
        var isClosing = false
        var waiters: [CheckedContinuation<Void, Never>] = []

        mutating func takeWaiters() -> [CheckedContinuation<Void, Never>] {
            defer { waiters = [] }
            return waiters
        }
    }

    /// The result of adding a connection.
    public enum Admission: Sendable, Equatable {
        case taken
        /// To be refused with an error.
        case surplus(ConnectionBound)
    }

    private let state: NIOLockedValueBox<State>
    private let maxConnections: Int
    private let maxPerAddress: Int

    /// Admits at most `maxConnections`, of which at most `maxUnauthenticated` are unauthenticated: beyond that, a new
    /// one is admitted and the oldest is cut.
    ///
    /// - Parameters:
    ///   - maxSurplus: connections that are being refused with an error at the same time.
    ///   - maxPerAddress: connections from one address; 0 means no bound.
    public init(maxConnections: Int, maxUnauthenticated: Int, maxSurplus: Int = 64, maxPerAddress: Int = 0) {
        self.maxConnections = maxConnections
        self.maxPerAddress = maxPerAddress
        state = NIOLockedValueBox(
            State(
                admissions: AdmissionQueue(
                    maxConnections: maxConnections, maxUnauthenticated: maxUnauthenticated, maxSurplus: maxSurplus,
                    maxPerAddress: maxPerAddress > 0 ? maxPerAddress : nil)))
    }

    /// The error for a surplus connection, over either wire. It is transient: connections close.
    ///
    /// - Parameter bound: the exceeded bound.
    public func refusal(_ bound: ConnectionBound) -> RPCError {
        let (limit, sentence) =
            switch bound {
            case .connections: (Limits.connections.set(to: maxConnections), "the server has all that it takes")
            case .perAddress:
                (
                    Limits.connectionsPerAddress.set(to: maxPerAddress),
                    "your address has all that the server takes from one"
                )
            }
        return RPCError(
            .resourceExhausted, .tooMany, limit: limit,
            "\(sentence), \(limit.described); try again later",
            details: ["retry_after_ms": 1_000])
    }

    /// The number of connections.
    public var count: Int { state.withLockedValue { $0.handles.count } }

    /// Adds a connection, on its channel's event loop, until the channel closes. Throws if the server is shutting down,
    /// or has too many connections even to send a refusal.
    public func add(_ connection: Connection, of channel: any Channel, from address: PeerAddress?) throws -> Admission {
        let handle = Handle(channel: channel, connection: NIOLoopBound(connection, eventLoop: channel.eventLoop))
        let id = ObjectIdentifier(connection)
        let (decision, evicted) = state.withLockedValue { state -> (AdmissionQueue.Decision, (any Channel)?) in
            let decision = state.isClosing ? .refused : state.admissions.admit(id, from: address)
            if decision != .refused { state.handles[id] = handle }
            if case .taken(let oldest?) = decision { return (decision, state.handles[oldest]?.channel) }
            return (decision, nil)
        }
        evicted?.closeUnderTLS()
        guard decision != .refused else { throw ChannelError.inappropriateOperationForState }
        channel.closeFuture.assumeIsolated().whenComplete { _ in self.remove(connection) }
        if case .surplus(let bound) = decision { return .surplus(bound) }
        return .taken
    }

    /// Marks a connection as authenticated: it is no longer cut for others.
    public func authenticated(_ connection: Connection) {
        state.withLockedValue { $0.admissions.authenticated(ObjectIdentifier(connection)) }
    }

    private func remove(_ connection: Connection) {
        let waiters = state.withLockedValue { state in
            state.admissions.remove(ObjectIdentifier(connection))
            state.handles[ObjectIdentifier(connection)] = nil
            return state.handles.isEmpty ? state.takeWaiters() : []
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Schedules `body` for each connection, on its event loop.
    public func each(_ body: @escaping @Sendable (Connection) -> Void) {
        for handle in state.withLockedValue({ Array($0.handles.values) }) {
            handle.channel.eventLoop.execute { body(handle.connection.value) }
        }
    }

    /// Accepts no new connections, lets open ones finish, and cuts those that last longer than `patience`. Returns when
    /// the last one has closed.
    public func drain(patience: Duration) async {
        close { $0.drain() }
        let abortTask = MultiThreadedEventLoopGroup.singleton.next().scheduleTask(in: TimeAmount(patience)) {
            self.close { $0.abort() }
        }
        await allGone()
        abortTask.cancel()
    }

    /// Accepts no new connections and cuts the open ones. Returns when the last one has closed.
    public func abort() async {
        close { $0.abort() }
        await allGone()
    }

    private func close(_ body: @escaping @Sendable (Connection) -> Void) {
        state.withLockedValue { $0.isClosing = true }
        each(body)
    }

    private func allGone() async {
        await withCheckedContinuation { continuation in
            let isGone = state.withLockedValue { state in
                if !state.handles.isEmpty { state.waiters.append(continuation) }
                return state.handles.isEmpty
            }
            if isGone { continuation.resume() }
        }
    }
}

extension Channel {
    /// Schedules an immediate close that discards unsent bytes: the system would keep megabytes of them for minutes.
    public func reset() {
        eventLoop.execute {
            (self as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in
                self.closeUnderTLS()
            } ?? self.closeUnderTLS()
        }
    }

    /// Schedules an immediate close below TLS, which would first wait seconds for an unresponsive peer to agree.
    fileprivate func closeUnderTLS() {
        eventLoop.execute {
            let tls = try? self.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self)
            if let tls { tls.close(promise: nil) } else { self.close(promise: nil) }
        }
    }
}
