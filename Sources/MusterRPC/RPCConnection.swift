import Logging
import MusterHandlers
import MusterListener
import MusterProtocol
import NIOCore
import NIOPosix

/// One connection: bytes come in, frames are found in them, their requests are run, and the replies of a tick leave
/// together.
///
/// It belongs to its event loop. Whoever comes from elsewhere brings a `NIOLoopBound`, which makes sure of that.
/// What a request does is in `RPCConnection+Requests.swift`, how it all ends in `RPCConnection+Ending.swift`.
final class RPCConnection: ChannelInboundHandler, DrainableConnection {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Phase {
        case unopened
        /// `session.open` is being judged; nothing else is looked at meanwhile.
        case opening
        case open(Session, KeyInFlight)
        /// Nothing is understood any more; what still comes is thrown away.
        case ended
    }

    let server: ServerContext
    let eventLoop: EventLoopContext
    let created = ContinuousClock.now

    var context: ChannelHandlerContext?
    var phase = Phase.unopened
    var decoder = FrameDecoder(limit: Limits.frameBeforeOpen)
    var inFlight = InFlight()
    var outbox: Outbox
    /// What this connection holds of the budget of answers.
    let answers: AnswerBudget.Account
    /// Bytes that were written and not taken by the system yet.
    var unread = 0
    private var countedUnread = 0
    private var bufferedAtLastTick = 0
    /// Nothing is read, for the sake of what is unread.
    private var isHeldBack = false
    var flood: FloodGauge
    /// Requests that no cancel has come for yet: so many cancels are no abuse, in flight or crossing their answers.
    var uncancelledRequests = 0
    /// The request that came when as many as allowed were in flight, and when it came. Nothing behind it is read.
    var held: (request: Incoming, arrived: ContinuousClock.Instant)?

    /// The largest id that was accepted: what goaway tells.
    var lastID: Int64 = 0
    /// Goaway was sent: what is in flight is finished, and nothing else begins.
    var isClosing = false
    /// What there are too many connections for; this one only hears so.
    var surplus: ConnectionBound?
    /// The peer sends nothing more, but may still read.
    var inputEnded = false
    /// The key of an open session, until all tasks of this connection have ended.
    var counted: Session?

    var timers = Timers()
    var deadlineTimer: (at: ContinuousClock.Instant, task: Scheduled<Void>)?

    private var isReadPending = false
    private var isTakingFrames = false
    private var isInReadBatch = false
    private var isFlushScheduled = false

    init(server: ServerContext, eventLoop: EventLoopContext, answers: AnswerBudget.Account) {
        self.answers = answers
        self.server = server
        self.eventLoop = eventLoop
        outbox = Outbox(counting: server.router.metrics)
        flood = FloodGauge(limit: server.bounds.flood, window: server.bounds.floodWindow)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { start(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        start(context)
        context.fireChannelActive()
    }

    private func start(_ context: ChannelHandlerContext) {
        guard timers.ticking == nil else { return }
        startTimers(context)
        if let surplus { return fail(server.connections.refusal(surplus), id: 0) }
        readIfWanted()
    }

    func channelInactive(context: ChannelHandlerContext) {
        phase = .ended
        timers.ticking?.cancel()
        deadlineTimer?.task.cancel()
        inFlight.cancelAll()
        answers.close()
        leaveKeyIfIdle()
        decoder = FrameDecoder(limit: Limits.frame)
        held = nil
        self.context = nil
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        server.log.debug("Connection failed", ["error": "\(error)"])
        context.close(promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { inputClosed() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        timers.unwritableSince = context.channel.isWritable ? nil : .now
        if context.channel.isWritable { takeFrames() }
        context.fireChannelWritabilityChanged()
    }
}

// MARK: - Reading

extension RPCConnection {
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .ended = phase { return }
        timers.heard()
        isInReadBatch = true
        unwrapInboundIn(data).withUnsafeReadableBytes { decoder.append($0) }
        takeFrames()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReadPending = false
        isInReadBatch = false
        flush()
        readIfWanted()
        context.fireChannelReadComplete()
    }

    /// Whether another request may begin: the bound of one peer's memory and work.
    private var hasRoom: Bool { inFlight.count < server.bounds.requestsInFlight }

    /// Without room, frames are read until a request is among them: cancels make room, and pings ask for no work.
    private var mayTakeFrame: Bool {
        switch phase {
        case .unopened: true
        case .opening, .ended: false
        case .open: (hasRoom || held == nil) && context?.channel.isWritable == true && !hasTooMuchUnread
        }
    }

    /// Whether it has so much unread that nothing of it may begin: by itself, or since there is so much in all.
    private var hasTooMuchUnread: Bool {
        guard unread > 0 else { return false }
        return unread > server.bounds.unreadAnswersPerConnection || server.answers.isFull
    }

    /// Takes what frames there are, as long as requests may begin. Called again whenever one has ended.
    func takeFrames() {
        guard !isTakingFrames else { return }
        isTakingFrames = true
        while mayTakeFrame { guard takeNext() else { break } }
        isTakingFrames = false
        isHeldBack = hasTooMuchUnread
        timers.frameBegan(isPartial: decoder.pending > 0 && mayTakeFrame)
        if decoder.pending == 0, timers.hadLargeFrame {
            decoder = FrameDecoder(limit: decoder.limit)  // the old one's memory would stay as long as the connection
            timers.hadLargeFrame = false
        }
        if inputEnded { endIfIdle() }
        readIfWanted()
    }

    /// False where no whole frame has come.
    private func takeNext() -> Bool {
        if let (request, arrived) = held {
            held = nil
            take(request, arrived: arrived)
        } else if let incoming = nextIncoming() {
            if incoming.asksForWork, !hasRoom { held = (incoming, .now) } else { take(incoming, arrived: .now) }
        } else {
            return false
        }
        return true
    }

    private func nextIncoming() -> Incoming? {
        do {
            return try decoder.next { bytes in
                guard bytes.count <= IncomingReader.maxOnLoop else { return .large(Array(bytes)) }
                return server.reader.incoming(over: session) { try eventLoop.reader.read(bytes, $0) }
            }
        } catch {
            let refusal = (error as? FrameError).map { RPCError($0) }
            return .wrong(id: nil, refusal ?? RPCError(.invalidArgument, .malformed, "the frame can't be read"))
        }
    }

    var session: Session? { if case .open(let session, _) = phase { session } else { nil } }
    var isOpen: Bool { session != nil }

    private func readIfWanted() {
        guard let context, !isReadPending, !inputEnded, isDiscarding || mayTakeFrame else { return }
        isReadPending = true
        context.read()
    }

    private var isDiscarding: Bool { if case .ended = phase { true } else { false } }
    /// Whether the peer's signs of life would be seen.
    var isListening: Bool { isReadPending }

    private func inputClosed() {
        inputEnded = true
        if isDiscarding || inFlight.isEmpty { return endIfIdle() }
        // Who only stopped sending gets its answers. Who is gone answers this with a reset, which cancels its requests.
        outbox.append(ping: 0)
        flushSoon()
    }
}

// MARK: - Writing

extension RPCConnection {
    /// Sends at the end of this read batch or tick, with all that comes until then.
    func flushSoon() {
        guard !isInReadBatch, !isFlushScheduled, let context else { return }
        isFlushScheduled = true
        context.eventLoop.assumeIsolated().execute {
            self.isFlushScheduled = false
            self.flush()
        }
    }

    func flush() {
        guard let context, !outbox.isEmpty else { return }
        write(context, promise: nil)
        guard !context.channel.isWritable else { return }
        let unread = try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)
        if let unread, unread > server.bounds.unreadBytes { abort() }
    }

    /// Writes what there is to send, and counts it until the system has taken it.
    func write(_ context: ChannelHandlerContext, promise: EventLoopPromise<Void>?) {
        let bytes = outbox.take()
        let count = bytes.readableBytes
        unread += count
        let written = context.writeAndFlush(wrapOutboundOut(bytes))
        written.assumeIsolated().whenComplete { _ in self.wasTaken(count) }
        written.cascade(to: promise)
        countUnread()
    }

    private func wasTaken(_ count: Int) {
        unread -= count
        countUnread()
        if isHeldBack, !hasTooMuchUnread { takeFrames() }
    }

    /// Tells the budget what is unread. Of what the system takes at once, it never hears.
    func countUnread() {
        let bytes = unread + outbox.count
        guard context != nil, bytes != countedUnread else { return }
        countedUnread = bytes
        answers.holds(bytes)
    }

    /// Now and then: whether the peer reads on, and whether there is room again.
    func lookAtUnread() {
        if countedUnread > 0 {
            let buffered = (try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
            if buffered < bufferedAtLastTick { answers.moves() }
            bufferedAtLastTick = buffered
        } else {
            bufferedAtLastTick = 0
        }
        answers.look()
        if isHeldBack { takeFrames() }
    }
}
