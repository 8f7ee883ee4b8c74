import Logging
import MusterHandlers
import NIOConcurrencyHelpers
import NIOCore
import Synchronization

/// What all connections of a server share.
final class Shared: Sendable {
    let router: Router
    let reader: IncomingReader
    let bounds: RPCServerSettings.Bounds
    let log: QuietLog
    let keys: KeyCounts
    let connections: Connections

    init(router: Router, bounds: RPCServerSettings.Bounds, logger: Logger) {
        self.router = router
        self.bounds = bounds
        reader = IncomingReader(router: router)
        log = QuietLog(logger)
        keys = KeyCounts(most: bounds.requestsInFlightPerKey)
        connections = Connections(most: bounds.connections)
    }
}

/// The open connections of a server.
final class Connections: Sendable {
    private struct Handle: Sendable {
        let loop: any EventLoop
        let connection: NIOLoopBound<Connection>
    }

    private struct State {
        var handles: [ObjectIdentifier: Handle] = [:]
        /// Why there are to be no more connections.
        var closing: String?
        var waiters: [CheckedContinuation<Void, Never>] = []

        mutating func takeWaiters() -> [CheckedContinuation<Void, Never>] {
            defer { waiters = [] }
            return waiters
        }
    }

    enum Admission {
        case taken
        /// To be told that there are too many.
        case surplus
        /// Not even that.
        case refused
    }

    /// Connections that are being told that there are too many.
    private static let mostSurplus = 64

    private let most: Int
    private let state = NIOLockedValueBox(State())
    private let requests = Atomic<Int>(0)

    init(most: Int) { self.most = most }

    var count: Int { state.withLockedValue { $0.handles.count } }
    var requestsInFlight: Int { requests.load(ordering: .relaxed) }

    func requestBegan() { requests.add(1, ordering: .relaxed) }
    func requestEnded() { requests.subtract(1, ordering: .relaxed) }

    /// Takes a connection in, on its loop, unless there are too many or the server is going.
    func add(_ connection: Connection, on loop: any EventLoop) -> Admission {
        let handle = Handle(loop: loop, connection: NIOLoopBound(connection, eventLoop: loop))
        return state.withLockedValue { state in
            guard state.closing == nil, state.handles.count < most + Self.mostSurplus else { return .refused }
            state.handles[ObjectIdentifier(connection)] = handle
            return state.handles.count > most ? .surplus : .taken
        }
    }

    func remove(_ connection: Connection) {
        let waiters = state.withLockedValue { state in
            state.handles[ObjectIdentifier(connection)] = nil
            return state.handles.isEmpty ? state.takeWaiters() : []
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Lets no new connection in, and has all those that are there finish.
    func drain(_ reason: String) {
        state.withLockedValue { $0.closing = reason }
        each { $0.drain(reason) }
    }

    func cut() {
        state.withLockedValue { $0.closing = "cut" }
        each { $0.cut() }
    }

    func endSessions(where isMeant: @escaping @Sendable (Session) -> Bool, reason: String) {
        each { $0.endSession(where: isMeant, reason: reason) }
    }

    /// Returns when the last connection is gone.
    func allGone() async {
        await withCheckedContinuation { continuation in
            let isGone = state.withLockedValue { state in
                if !state.handles.isEmpty { state.waiters.append(continuation) }
                return state.handles.isEmpty
            }
            if isGone { continuation.resume() }
        }
    }

    private func each(_ body: @escaping @Sendable (Connection) -> Void) {
        for handle in state.withLockedValue({ Array($0.handles.values) }) {
            handle.loop.execute { body(handle.connection.value) }
        }
    }
}
