import Logging
import MusterProtocol
import NIOCore

/// The state of a client, on one event loop: waiting calls, connections, and scheduled retries.
final class ClientCore {
    /// A call from its first sending to its reply, including all retries.
    final class Pending {
        let ticket: Int
        let request: OutgoingCall
        let answer: ReplyContinuation
        var attempts = 0
        /// The connection and id of the call in flight.
        var assignment: (connection: ClientConnection, id: Int64)?
        /// Why the last attempt failed, which is a better error than an exceeded deadline.
        var lastFailure: RPCError?

        init(ticket: Int, request: OutgoingCall, answer: ReplyContinuation) {
            (self.ticket, self.request, self.answer) = (ticket, request, answer)
        }
    }

    let settings: MusterClientSettings
    let loop: NIOIsolatedEventLoop
    let logger: Logger
    let dialer: Dialer

    private var calls: [Int: Pending] = [:]
    private var waiting = CircularBuffer<Pending>()
    private var connections: [ClientConnection] = []
    private var connecting = 0
    private var failedConnects = 0
    private var lastConnectFailure: RPCError?
    private var reconnectTimer: Scheduled<Void>?
    private var deadlineTimer: (at: ContinuousClock.Instant, task: Scheduled<Void>)?
    private var isClosed = false

    init(settings: MusterClientSettings, loop: any EventLoop, logger: Logger) {
        self.settings = settings
        self.loop = loop.assumeIsolated()
        self.logger = logger
        dialer = Dialer(settings: settings, loop: loop)
    }

    func take(_ message: ClientLink.Message) {
        switch message {
        case .call(let ticket, let request, let answer):
            begin(Pending(ticket: ticket, request: request, answer: answer))
        case .cancel(let ticket):
            guard let call = calls[ticket] else { return }
            abandon(call)
            finish(call, .failure(RPCError(.cancelled, "the caller cancelled the call")))
        case .close(let closed): close(closed)
        }
    }

    /// Sends the calls of this tick.
    func flush() {
        for connection in connections { connection.flush() }
    }

    // MARK: Calls

    private func begin(_ call: Pending) {
        guard !isClosed else {
            return call.answer.resume(returning: .failure(RPCError(.cancelled, "the client was closed")))
        }
        calls[call.ticket] = call
        wakeAt(call.request.deadline)
        assign(call)
    }

    /// Sends the call on the least busy connection, or queues it.
    private func assign(_ call: Pending) {
        guard calls[call.ticket] != nil else { return }
        if let connection = leastBusy() {
            call.attempts += 1
            connection.send(call)
        } else {
            waiting.append(call)
        }
        connectIfNeeded()
    }

    private func assignWaiting() {
        while !waiting.isEmpty, leastBusy() != nil { assign(waiting.removeFirst()) }
        flush()
    }

    private func leastBusy() -> ClientConnection? {
        if connections.count == 1 { return connections[0].hasRoom ? connections[0] : nil }
        return connections.filter(\.hasRoom).min { $0.inFlightCount < $1.inFlightCount }
    }

    func finish(_ call: Pending, _ result: Result<[UInt8], RPCError>) {
        guard calls.removeValue(forKey: call.ticket) != nil else { return }
        call.assignment = nil
        call.answer.resume(returning: result)
    }

    private func abandon(_ call: Pending) {
        guard let (connection, id) = call.assignment else { return }
        connection.cancel(id)
    }

    /// Handles a failed attempt. `neverRan` is true when the server certainly did nothing.
    func attemptFailed(_ call: Pending, _ error: RPCError, neverRan: Bool) {
        call.assignment = nil
        // An exceeded deadline is less informative than the failure before it.
        let error = error.code == .deadlineExceeded ? call.lastFailure ?? error : error
        call.lastFailure = error
        guard settings.repeats, neverRan || (call.request.isSafe && error.isWorthRepeating) else {
            return finish(call, .failure(error))
        }
        // A call that never ran may be sent again at once, because the pauses between connections throttle it; but only
        // a bounded number of times.
        let pause = neverRan && call.attempts <= 2 ? .zero : self.pause(after: call.attempts, atLeast: error.retryAfter)
        guard .now + pause < call.request.deadline else { return finish(call, .failure(error)) }
        loop.scheduleTask(in: TimeAmount(pause)) {
            self.assign(call)
            self.flush()
        }
    }

    /// A random fraction of a delay that doubles with each attempt, so that clients don't retry in step.
    private func pause(after attempts: Int, atLeast least: Duration?) -> Duration {
        let doubled = settings.firstPause * (1 << min(max(attempts - 1, 0), 16))
        let part = min(doubled, settings.longestPause) * Double.random(in: 0..<1)
        return part + (least ?? .zero)
    }

    // MARK: Deadlines

    private func wakeAt(_ instant: ContinuousClock.Instant) {
        if let timer = deadlineTimer, timer.at <= instant { return }
        deadlineTimer?.task.cancel()
        let delay = max(.zero, instant - .now)
        deadlineTimer = (instant, loop.scheduleTask(in: TimeAmount(delay)) { self.deadlinesPass() })
    }

    private func deadlinesPass() {
        deadlineTimer = nil
        let now = ContinuousClock.now
        for call in calls.values where call.request.deadline <= now {
            let wasRunning = call.assignment != nil
            abandon(call)
            let reason = call.lastFailure ?? (wasRunning ? nil : lastConnectFailure)
            finish(call, .failure(reason ?? RPCError(.deadlineExceeded, "the deadline passed")))
        }
        waiting = waiting.filter { calls[$0.ticket] != nil }
        // Not immediately: one pass costs time for each call.
        if let next = calls.values.map(\.request.deadline).min() { wakeAt(max(next, now + .milliseconds(2))) }
        flush()
    }

    // MARK: Connections

    private func connectIfNeeded() {
        guard !isClosed, reconnectTimer == nil, !waiting.isEmpty || connections.count < settings.connections else {
            return
        }
        while connections.count + connecting < max(1, settings.connections) {
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
            for call in failed { finish(call, .failure(error)) }
        }
        guard !waiting.isEmpty, reconnectTimer == nil, !isClosed else { return }
        reconnectTimer = loop.scheduleTask(in: TimeAmount(pause(after: failedConnects, atLeast: error.retryAfter))) {
            self.reconnectTimer = nil
            if self.waiting.contains(where: { self.calls[$0.ticket] != nil }) { self.connectIfNeeded() }
        }
    }

    /// Sends no new calls on this connection: the server announced its end, or it is lost.
    func retire(_ connection: ClientConnection) {
        connections.removeAll { $0 === connection }
    }

    /// Handles capacity that became free on a connection.
    func roomAppeared() {
        if !waiting.isEmpty { assignWaiting() }
    }

    private func close(_ closed: CheckedContinuation<Void, Never>?) {
        isClosed = true
        reconnectTimer?.cancel()
        deadlineTimer?.task.cancel()
        for call in calls.values { finish(call, .failure(RPCError(.cancelled, "the client was closed"))) }
        waiting = []
        let futures: [EventLoopFuture<Void>] = connections.map { $0.close() }
        connections = []
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
