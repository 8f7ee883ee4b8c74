import NIOConcurrencyHelpers
public import NIOCore
import NIOPosix

/// The handler of one connection, as a shutdown sees it. Called on the connection's event loop only.
public protocol DrainableConnection: AnyObject, SendableMetatype {
    /// Answers what is in flight, takes nothing more, and closes.
    func drain()
    /// Closes now, whatever is in flight.
    func cut()
}

/// The open connections of a listener.
public final class OpenConnections<Connection: DrainableConnection>: Sendable {
    private struct Handle: Sendable {
        let loop: any EventLoop
        let connection: NIOLoopBound<Connection>
    }

    private struct State {
        var handles: [ObjectIdentifier: Handle] = [:]
        var isClosing = false
        var waiters: [CheckedContinuation<Void, Never>] = []

        mutating func takeWaiters() -> [CheckedContinuation<Void, Never>] {
            defer { waiters = [] }
            return waiters
        }
    }

    /// What becomes of a new connection.
    public enum Admission: Sendable {
        case taken
        /// To be told that there are too many.
        case surplus
    }

    /// Connections that are being told that there are too many.
    private static var mostSurplus: Int { 64 }

    private let most: Int
    private let state = NIOLockedValueBox(State())

    /// Takes this many at a time.
    public init(most: Int) { self.most = most }

    /// How many there are.
    public var count: Int { state.withLockedValue { $0.handles.count } }

    /// Takes a connection in, on its channel's event loop, until the channel closes. Throws where the server is going, or where there
    /// are so many that not even that can be told.
    public func add(_ connection: Connection, of channel: any Channel) throws -> Admission {
        let loop = channel.eventLoop
        let handle = Handle(loop: loop, connection: NIOLoopBound(connection, eventLoop: loop))
        let admission: Admission? = state.withLockedValue { state in
            guard !state.isClosing, state.handles.count < most + Self.mostSurplus else { return nil }
            state.handles[ObjectIdentifier(connection)] = handle
            return state.handles.count > most ? .surplus : .taken
        }
        guard let admission else { throw ChannelError.inappropriateOperationForState }
        channel.closeFuture.assumeIsolated().whenComplete { _ in self.remove(connection) }
        return admission
    }

    private func remove(_ connection: Connection) {
        let waiters = state.withLockedValue { state in
            state.handles[ObjectIdentifier(connection)] = nil
            return state.handles.isEmpty ? state.takeWaiters() : []
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Runs `body` on each connection's event loop, later.
    public func each(_ body: @escaping @Sendable (Connection) -> Void) {
        for handle in state.withLockedValue({ Array($0.handles.values) }) {
            handle.loop.execute { body(handle.connection.value) }
        }
    }

    /// Lets no new connection in, has those that are there finish, and cuts what lasts longer than `patience`. Returns when the last
    /// one is gone.
    public func drain(patience: Duration) async {
        close { $0.drain() }
        let cut = MultiThreadedEventLoopGroup.singleton.next().scheduleTask(in: TimeAmount(patience)) {
            self.close { $0.cut() }
        }
        await allGone()
        cut.cancel()
    }

    /// Lets no new connection in, and cuts those that are there. Returns when the last one is gone.
    public func cut() async {
        close { $0.cut() }
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
