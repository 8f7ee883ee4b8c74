import HTTPTypes
import MusterListener
import MusterProtocol
import NIOCore
import NIOHTTP1

extension HTTPConnection {
    /// Sends a part of a response; the future completes when the system has taken it.
    func send(_ parts: [HTTPServerResponsePart], of exchange: HTTPExchange) -> EventLoopFuture<Void>? {
        guard let context, case .serving(let current) = phase, current === exchange else { return nil }
        timers.unreadSince = .now
        var last: EventLoopFuture<Void>?
        for part in parts {
            let promise = context.eventLoop.makePromise(of: Void.self)
            last = promise.futureResult
            switch part {
            case .head(var head):
                if mustClose(exchange) { isClosing = true }
                if isClosing { head.headers.replaceOrAdd(name: "connection", value: "close") }
                context.write(wrapOutboundOut(.head(head)), promise: promise)
            case .body: context.write(wrapOutboundOut(part), promise: promise)
            case .end: finish(context, exchange, promise)
            }
        }
        context.flush()
        last?.assumeIsolated().whenComplete { _ in self.timers.unreadSince = nil }
        return last
    }

    /// Whether this request must be the last: its body is not read to the end, or one of the two sides is closing.
    private func mustClose(_ exchange: HTTPExchange) -> Bool {
        let head = exchange.head
        return inputEnded || !exchange.isComplete || exchange.failure != nil || !head.isKeepAlive
            || head.version != .http1_1 || head.method == .CONNECT || head.headers.contains(name: "upgrade")
    }

    private func finish(_ context: ChannelHandlerContext, _ exchange: HTTPExchange, _ promise: EventLoopPromise<Void>) {
        release(exchange, RPCError(.cancelled, "the request is answered"))
        let isLast = isClosing || mustClose(exchange)
        // Before the end is written, since that may deliver a next request that has already arrived.
        phase = isLast ? .ended : .waiting
        timers.idleSince = .now
        context.write(wrapOutboundOut(.end(nil)), promise: promise)
        if isLast { end(context) } else { context.read() }
    }

    /// Closes after the pending writes. The client gets a moment to read them: when a socket with unread bytes is
    /// closed, the system discards what was sent.
    private func end(_ context: ChannelHandlerContext) {
        phase = .ended
        requests.continuation.finish()
        context.flush()
        if inputEnded { return context.close(promise: nil) }
        context.close(mode: .output, promise: nil)
        _ = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(bounds.linger)) { self.lingerEnds() }
        context.read()  // to throw away what comes, and to see the client close
    }

    /// A client that still reads its response gets as much time as any other.
    private func lingerEnds() { if timers.unreadSince == nil { abort() } else { timers.endsWhenRead = true } }

    /// Answers the request in flight, and accepts no more.
    func drain() {
        guard let context else { return }
        isClosing = true
        guard isWaiting else { return }
        // A request may be on its way, and its client would not know whether it took effect.
        _ = context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(100)) {
            if self.isWaiting, let context = self.context { self.end(context) }
        }
    }

    /// Closes now, whatever is in flight.
    func abort() { context?.close(promise: nil) }

    // MARK: Timers

    /// Times of events on a connection. One timer checks them all.
    struct Timers {
        var ticking: RepeatedTask?
        /// When the first byte of the awaited request arrived; for the first request, when the connection was made.
        var headBegan: ContinuousClock.Instant? = .now
        var idleSince = ContinuousClock.now
        /// Since when a part of a response has waited for the client to read it.
        var unreadSince: ContinuousClock.Instant?
        var endsWhenRead = false
    }

    func startTimers(_ context: ChannelHandlerContext) {
        let tick = TimeAmount(bounds.tick)
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        timers.ticking = context.eventLoop.scheduleRepeatedTask(initialDelay: tick, delay: tick) { _ in me.value.tick()
        }
    }

    private func tick() {
        let now = ContinuousClock.now
        func isOver(_ since: ContinuousClock.Instant?, _ limit: Duration) -> Bool {
            since.map { now - $0 > limit } ?? false
        }
        answers.look()
        if isOver(timers.unreadSince, bounds.unread) { return abort() }
        switch phase {
        case .waiting: if isOver(timers.headBegan, bounds.head) || isOver(timers.idleSince, bounds.idle) { abort() }
        case .serving(let exchange): if let refusal = refusal(ofSlow: exchange, now) { fail(exchange, refusal) }
        case .ended: if timers.endsWhenRead, timers.unreadSince == nil { abort() }
        }
    }

    /// Why the server stops waiting for a body; nil to wait on.
    private func refusal(ofSlow exchange: HTTPExchange, _ now: ContinuousClock.Instant) -> HTTPProblem? {
        guard exchange.waiter != nil, let asked = exchange.askedAt else { return nil }
        let elapsed = now - asked
        if elapsed > bounds.bodyTime {
            let limit = Limits.restBodySeconds.set(to: bounds.bodyTime)
            return HTTPProblem(
                .serviceUnavailable, .tooSlow, limit: limit,
                "the body did not come within \(limit.described); send it again")
        }
        guard elapsed > bounds.bodyPatience,
            Double(exchange.received) < Double(bounds.bodyRate) * (elapsed / .seconds(1))
        else { return nil }
        let limit = Limits.restBodyRate.set(to: bounds.bodyRate)
        return HTTPProblem(
            .serviceUnavailable, .tooSlow, limit: limit,
            "the body came with less than \(limit.described); send it again")
    }
}
