import MusterProtocol
import NIOCore

extension RPCConnection {
    /// Times of events on a connection. One timer checks them all.
    struct Timers {
        var ticking: RepeatedTask?
        var lastRequest = ContinuousClock.now
        var lastHeard = ContinuousClock.now
        var pingSent: ContinuousClock.Instant?
        var unwritableSince: ContinuousClock.Instant?
        var partialFrameSince: ContinuousClock.Instant?
        var endedSince: ContinuousClock.Instant?
        var hadLargeFrame = false

        /// Notes whether a frame has arrived only in part.
        mutating func frameBegan(isPartial: Bool) {
            if !isPartial { partialFrameSince = nil } else if partialFrameSince == nil { partialFrameSince = .now }
        }
    }

    func startTimers(_ context: ChannelHandlerContext) {
        let tick = TimeAmount(server.bounds.tick)
        let loop = context.eventLoop
        let me = NIOLoopBound(self, eventLoop: loop)
        timers.ticking = loop.scheduleRepeatedTask(initialDelay: tick, delay: tick) { _ in me.value.tick() }
    }

    private func tick() {
        let now = ContinuousClock.now
        let bounds = server.bounds
        lookAtUnread()
        func isOver(_ since: ContinuousClock.Instant?, _ limit: Duration) -> Bool {
            since.map { now - $0 > limit } ?? false
        }

        switch phase {
        case .unopened where isOver(created, bounds.open):
            let limit = Limits.openSeconds.set(to: bounds.open)
            let sentence = "no session.open came within \(limit.described)"
            return fail(RPCError(.deadlineExceeded, sentence, details: .init(of: limit)), id: 0)
        case .open where inFlight.isEmpty && isOver(timers.lastRequest, bounds.idle): return goAndEnd("idle")
        default: break
        }
        if isOver(timers.unwritableSince, bounds.unread) || isOver(timers.endedSince, bounds.unread) { return abort() }
        if isOver(timers.pingSent, bounds.pong) { return abort() }
        if isOver(timers.partialFrameSince, bounds.frame) {
            let limit = Limits.frameSeconds.set(to: bounds.frame)
            let sentence = "the rest of a frame did not come within \(limit.described)"
            return fail(RPCError(.deadlineExceeded, sentence, details: .init(of: limit)), id: 0)
        }
        if isOpen, isListening, timers.pingSent == nil, isOver(timers.lastHeard, bounds.silence) {
            timers.pingSent = now
            outbox.append(ping: 1)
            flushSoon()
        }
    }

    // MARK: Deadlines of requests

    /// Schedules a check of deadlines. One timer serves all requests, and is not moved when one ends: most end long
    /// before their deadlines, and a timer each would cost more than the request.
    func wakeAt(_ instant: ContinuousClock.Instant) {
        guard let context else { return }
        if let timer = deadlineTimer, timer.at <= instant { return }
        deadlineTimer?.task.cancel()
        let delay = max(.zero, instant - .now)
        let task = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(delay)) { self.deadlinesPass() }
        deadlineTimer = (instant, task)
    }

    private func deadlinesPass() {
        deadlineTimer = nil
        let (expired, next) = inFlight.expire(.now)
        for id in expired { reply(id, RPCError(.deadlineExceeded, "the deadline passed")) }
        if !expired.isEmpty, phase == .opening { return end() }
        if let next { wakeAt(next) }
    }
}
