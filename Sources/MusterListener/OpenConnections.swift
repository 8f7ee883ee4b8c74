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

/// The handler of one connection, as a shutdown sees it. Called on the connection's event loop only.
public protocol DrainableConnection: AnyObject, SendableMetatype {
    /// Answers what is in flight, takes nothing more, and closes.
    func drain()
    /// Closes now, whatever is in flight.
    func abort()
}

/// The open connections of a listener. Each is unauthenticated until its handler says that a good key came over it.
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

    /// What becomes of a new connection.
    public enum Admission: Sendable, Equatable {
        case taken
        /// To be told that there are too many.
        case surplus(ConnectionBound)
    }

    private let state: NIOLockedValueBox<State>
    private let maxConnections: Int
    private let maxPerAddress: Int

    /// Admits `maxConnections` at a time, `maxUnauthenticated` among them: one more of those is admitted, and the
    /// oldest is cut.
    ///
    /// - Parameters:
    ///   - maxSurplus: that are told at a time that there are too many.
    ///   - maxPerAddress: from one address; 0 is no bound.
    public init(maxConnections: Int, maxUnauthenticated: Int, maxSurplus: Int = 64, maxPerAddress: Int = 0) {
        self.maxConnections = maxConnections
        self.maxPerAddress = maxPerAddress
        state = NIOLockedValueBox(
            State(
                admissions: AdmissionQueue(
                    maxConnections: maxConnections, maxUnauthenticated: maxUnauthenticated, maxSurplus: maxSurplus,
                    maxPerAddress: maxPerAddress > 0 ? maxPerAddress : nil)))
    }

    /// What a surplus connection hears, over either wire: it passes when others close.
    ///
    /// - Parameter bound: what there are too many connections for.
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

    /// How many there are.
    public var count: Int { state.withLockedValue { $0.handles.count } }

    /// Takes a connection in, on its channel's event loop, until the channel closes. Throws where the server is going,
    /// or where there are so many that not even that can be told.
    public func add(_ connection: Connection, of channel: any Channel, from address: PeerAddress?) throws -> Admission {
        let handle = Handle(channel: channel, connection: NIOLoopBound(connection, eventLoop: channel.eventLoop))
        let id = ObjectIdentifier(connection)
        let (verdict, evicted) = state.withLockedValue { state -> (AdmissionQueue.Verdict, (any Channel)?) in
            let verdict = state.isClosing ? .refused : state.admissions.admit(id, from: address)
            if verdict != .refused { state.handles[id] = handle }
            if case .taken(let oldest?) = verdict { return (verdict, state.handles[oldest]?.channel) }
            return (verdict, nil)
        }
        evicted?.closeUnderTLS()
        guard verdict != .refused else { throw ChannelError.inappropriateOperationForState }
        channel.closeFuture.assumeIsolated().whenComplete { _ in self.remove(connection) }
        if case .surplus(let bound) = verdict { return .surplus(bound) }
        return .taken
    }

    /// A good key came over the connection: it is cut for no other any more.
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

    /// Runs `body` on each connection's event loop, later.
    public func each(_ body: @escaping @Sendable (Connection) -> Void) {
        for handle in state.withLockedValue({ Array($0.handles.values) }) {
            handle.channel.eventLoop.execute { body(handle.connection.value) }
        }
    }

    /// Lets no new connection in, has those that are there finish, and cuts what lasts longer than `patience`. Returns
    /// when the last one is gone.
    public func drain(patience: Duration) async {
        close { $0.drain() }
        let abortTask = MultiThreadedEventLoopGroup.singleton.next().scheduleTask(in: TimeAmount(patience)) {
            self.close { $0.abort() }
        }
        await allGone()
        abortTask.cancel()
    }

    /// Lets no new connection in, and cuts those that are there. Returns when the last one is gone.
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
    /// Closes at once, soon, and throws away what the peer has not taken: the system would keep megabytes of it for
    /// minutes.
    public func reset() {
        eventLoop.execute {
            (self as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in
                self.closeUnderTLS()
            } ?? self.closeUnderTLS()
        }
    }

    /// Closes at once, soon. TLS would first wait for the peer to agree, for seconds where it does nothing.
    fileprivate func closeUnderTLS() {
        eventLoop.execute {
            let tls = try? self.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self)
            if let tls { tls.close(promise: nil) } else { self.close(promise: nil) }
        }
    }
}
