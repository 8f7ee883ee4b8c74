import Logging
import MusterProtocol
import NIOCore

/// The state of a client, on one event loop: waiting calls, connections, and scheduled retries.
final class ClientCore {
    let settings: MusterClientSettings
    let loop: NIOIsolatedEventLoop
    let logger: Logger
    let dialer: Dialer

    /// Messages that were taken, kept for its memory.
    private var messages: [ClientLink.Message] = []
    /// Calls that wait for room, and finished ones that were not removed yet.
    private var waiting = CircularBuffer<PendingCall>()
    private var pausing: [ObjectIdentifier: PendingCall] = [:]
    /// Those that take calls.
    private var connections: [ClientConnection] = []
    /// Those that only answer the calls that they have.
    private var leaving: [ClientConnection] = []
    private var connecting = 0
    private var failedConnects = 0
    /// While other connections serve the calls, one that can't be opened is not tried again before this.
    private var restsUntil = NIODeadline.uptimeNanoseconds(0)
    private var lastConnectFailure: RPCError?
    private var reconnectTimer: Scheduled<Void>?
    private var deadlineTimer: (at: NIODeadline, task: Scheduled<Void>)?
    private var isClosed = false

    init(settings: MusterClientSettings, loop: any EventLoop, logger: Logger) {
        self.settings = settings
        self.loop = loop.assumeIsolated()
        self.logger = logger
        dialer = Dialer(settings: settings, loop: loop)
    }

    /// Handles the messages of a tick. `receive` exchanges the empty list for them.
    func take(_ receive: (inout [ClientLink.Message]) -> Void) {
        receive(&messages)
        let now = NIODeadline.now()
        for message in messages {
            switch message {
            case .call(let call): begin(call, now)
            case .cancel(let call): cancel(call)
            case .close(let closed): close(closed)
            }
        }
        messages.removeAll(keepingCapacity: true)
        flush()
    }

    /// Sends the calls of this tick.
    private func flush() {
        for connection in connections { connection.flush() }
        for connection in leaving { connection.flush() }
    }

    // MARK: Calls

    private func begin(_ call: PendingCall, _ now: NIODeadline) {
        guard !isClosed else { return call.finish(.failure(RPCError(.cancelled, "the client was closed"))) }
        wake(at: call.deadline)
        assign(call, now)
    }

    private func cancel(_ call: PendingCall) {
        // A new one is posted later, with another cancellation behind it.
        if case .new = call.state { return }
        abandon(call)
        call.finish(.failure(RPCError(.cancelled, "the caller cancelled the call")))
    }

    /// Sends the call on the least busy connection, or queues it.
    private func assign(_ call: PendingCall, _ now: NIODeadline) {
        if let connection = leastBusy() {
            call.attempts += 1
            connection.send(call, now)
        } else {
            call.state = .waiting
            waiting.append(call)
        }
        connectIfNeeded()
    }

    private func assignWaiting() {
        let now = NIODeadline.now()
        while let call = waiting.first, leastBusy() != nil {
            waiting.removeFirst()
            if !call.isDone { assign(call, now) }
        }
        flush()
    }

    private func leastBusy() -> ClientConnection? {
        var found: ClientConnection?
        for connection in connections where connection.hasRoom {
            if let best = found, best.inFlightCount <= connection.inFlightCount { continue }
            found = connection
        }
        return found
    }

    private func abandon(_ call: PendingCall) {
        if case .sent(let connection, let id) = call.state { connection.cancel(id) }
    }

    /// Handles a failed attempt. `neverRan` is true when the server certainly did nothing.
    func attemptFailed(_ call: PendingCall, _ error: RPCError, neverRan: Bool) {
        guard !call.isDone else { return }
        // An exceeded deadline is less informative than the failure before it.
        let error = error.code == .deadlineExceeded ? call.lastFailure ?? error : error
        call.lastFailure = error
        guard settings.repeats, neverRan || (call.isSafe && error.isWorthRepeating) else {
            return call.finish(.failure(error))
        }
        // A call that never ran may be sent again at once, because the pauses between connections throttle it; but only
        // a bounded number of times.
        let pause = neverRan && call.attempts <= 2 ? .zero : self.pause(after: call.attempts, atLeast: error.retryAfter)
        guard .now() + TimeAmount(pause) < call.deadline else { return call.finish(.failure(error)) }
        call.state = .pausing
        pausing[ObjectIdentifier(call)] = call
        loop.scheduleTask(in: TimeAmount(pause)) { self.repeatCall(call) }
    }

    private func repeatCall(_ call: PendingCall) {
        pausing[ObjectIdentifier(call)] = nil
        guard !call.isDone else { return }
        assign(call, .now())
        flush()
    }

    /// A random fraction of a delay that doubles with each attempt, so that clients don't retry in step.
    private func pause(after attempts: Int, atLeast least: Duration?) -> Duration {
        let doubled = settings.firstPause * (1 << min(max(attempts - 1, 0), 16))
        let part = min(doubled, settings.longestPause) * Double.random(in: 0..<1)
        return part + (least ?? .zero)
    }

    // MARK: Deadlines

    /// One timer serves all calls: the earliest deadline has it.
    private func wake(at instant: NIODeadline) {
        if let timer = deadlineTimer, timer.at <= instant { return }
        deadlineTimer?.task.cancel()
        deadlineTimer = (instant, loop.scheduleTask(deadline: instant) { self.deadlinesPass() })
    }

    private func deadlinesPass() {
        deadlineTimer = nil
        let now = NIODeadline.now()
        var next: NIODeadline?
        for call in allCalls() {
            if call.deadline <= now { expire(call) } else { next = min(next ?? call.deadline, call.deadline) }
        }
        waiting = waiting.filter { !$0.isDone }
        // Not immediately: one pass costs time for each call.
        if let next { wake(at: max(next, now + .milliseconds(2))) }
        flush()
    }

    private func expire(_ call: PendingCall) {
        var wasRunning = false
        if case .sent = call.state { wasRunning = true }
        abandon(call)
        let reason = call.lastFailure ?? (wasRunning ? nil : lastConnectFailure)
        call.finish(.failure(reason ?? RPCError(.deadlineExceeded, "the deadline passed")))
    }

    private func allCalls() -> [PendingCall] {
        let sent = (connections + leaving).flatMap(\.allCalls)
        return sent + waiting.filter { !$0.isDone } + pausing.values.filter { !$0.isDone }
    }

    // MARK: Connections

    private func connectIfNeeded() {
        let wanted = max(1, settings.connections)
        guard connections.count + connecting < wanted, !isClosed, reconnectTimer == nil else { return }
        guard !waiting.isEmpty || restsUntil <= .now() else { return }
        while connections.count + connecting < wanted {
            // one connection attempt at a time is enough when the last one failed
            if failedConnects > 0, connecting > 0 { return }
            connecting += 1
            dialer.connect(for: self)
        }
    }

    /// Handles an opened session.
    func opened(_ connection: ClientConnection) {
        connecting -= 1
        failedConnects = 0
        lastConnectFailure = nil
        guard !isClosed else {
            connection.close()
            return
        }
        connections.append(connection)
        logger.debug("Connected")
        assignWaiting()
        connectIfNeeded()
    }

    /// Handles a connection that failed to open. `isFinal` is true when a retry can't help, as with a wrong key.
    func connectFailed(_ error: RPCError, isFinal: Bool) {
        connecting -= 1
        failedConnects += 1
        lastConnectFailure = error
        logger.debug("Can't connect", metadata: ["code": "\(error.code.rawValue)", "reason": "\(error.message)"])
        if isFinal || !settings.repeats {
            let failed = waiting
            waiting = []
            for call in failed { call.finish(.failure(error)) }
        }
        let pause = TimeAmount(pause(after: failedConnects, atLeast: error.retryAfter))
        restsUntil = .now() + pause
        guard !waiting.isEmpty, reconnectTimer == nil, !isClosed else { return }
        reconnectTimer = loop.scheduleTask(in: pause) {
            self.reconnectTimer = nil
            if self.waiting.contains(where: { !$0.isDone }) { self.connectIfNeeded() }
        }
    }

    /// Sends no new calls on this connection: the server announced its end.
    func leave(_ connection: ClientConnection) {
        lost(connection)  // it may have announced that before
        leaving.append(connection)
    }

    /// Handles a connection that has ended. The others are not touched; its successor is opened when a call needs it.
    func lost(_ connection: ClientConnection) {
        connections.removeAll { $0 === connection }
        leaving.removeAll { $0 === connection }
    }

    /// Handles capacity that became free on a connection.
    func roomAppeared() {
        if !waiting.isEmpty { assignWaiting() }
    }

    private func close(_ closed: CheckedContinuation<Void, Never>?) {
        isClosed = true
        reconnectTimer?.cancel()
        deadlineTimer?.task.cancel()
        for call in allCalls() { call.finish(.failure(RPCError(.cancelled, "the client was closed"))) }
        waiting = []
        let futures: [EventLoopFuture<Void>] = (connections + leaving).map { $0.close() }
        (connections, leaving) = ([], [])
        EventLoopFuture.andAllComplete(futures, on: loop.nonisolated()).whenComplete { _ in closed?.resume() }
    }
}

extension RPCError {
    /// Whether a retry may succeed soon. Only for calls that are safe to repeat.
    fileprivate var isWorthRepeating: Bool {
        switch code {
        case .unavailable, .aborted, .unknown: true
        case .resourceExhausted: retryAfter != nil
        default: false
        }
    }

    /// How long the server asks clients to wait; at most as long as a call may last.
    fileprivate var retryAfter: Duration? {
        details.integer("retry_after_ms").map { .milliseconds(min(max($0, 0), Int64(Limits.maxDeadline.value))) }
    }
}
