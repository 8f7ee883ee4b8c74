import Logging
import MusterHandlers
import MusterListener
import MusterProtocol
import NIOCore
import NIOPosix

/// One connection: decodes frames from its bytes, runs their requests, and sends the replies of a tick together.
///
/// It belongs to its event loop; code elsewhere holds it in a `NIOLoopBound`, which enforces that.
/// `RPCConnection+Requests.swift` runs requests, and `RPCConnection+Ending.swift` ends connections.
final class RPCConnection: ChannelInboundHandler, DrainableConnection {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Phase {
        case unopened
        /// `session.open` is being validated; frames wait meanwhile.
        case opening
        /// There is a session.
        case open
        /// The connection is done; further input is discarded.
        case ended
    }

    let server: ServerContext
    let eventLoop: EventLoopContext
    let state: EventLoopState
    let created = ContinuousClock.now

    var context: ChannelHandlerContext?
    var phase = Phase.unopened
    /// The open session, and the requests in flight of its key.
    var opened: (session: Session, count: KeyInFlight)?
    var decoder = FrameDecoder(limit: Limits.frameBeforeOpen)
    var inFlight = InFlight()
    var outbox: Outbox
    /// The account that its unread replies are charged to.
    let answers: AnswerBudget.Account
    /// Bytes that were written but not yet taken by the system.
    var unread = 0
    private var countedUnread = 0
    private var bufferedAtLastTick = 0
    /// Reading is paused because too much is unread.
    private var isHeldBack = false
    var flood: FloodGauge
    /// Requests without a cancel yet: that many cancels are not abuse, whether they arrive before or after the replies.
    var uncancelledRequests = 0
    /// A request that arrived when the maximum was in flight, and its time. Nothing after it is read.
    var held: HeldRequest?

    /// The largest accepted id, which goaway reports.
    var lastID: Int64 = 0
    /// Goaway was sent: requests in flight are finished, and no others begin.
    var isClosing = false
    /// The exceeded bound of a surplus connection, which only gets a refusal.
    var surplus: ConnectionBound?
    /// The peer has closed its half, but may still read.
    var inputEnded = false
    /// The key of an open session, until all tasks of this connection have ended.
    var counted: Session?

    /// The time at which the current frame is taken. Read once for several frames, since reading it costs about 50 ns.
    var now = ContinuousClock.now
    var timers = Timers()
    var deadlineTimer: (at: ContinuousClock.Instant, task: Scheduled<Void>)?

    private var isWritable = true
    private var isReadPending = false
    private var isTakingFrames = false
    private var isInReadBatch = false
    private var isFlushScheduled = false
    /// It has answers in the batch of its event loop.
    var isInBatch = false

    /// Make it on its event loop.
    init(server: ServerContext, eventLoop: EventLoopContext, answers: AnswerBudget.Account) {
        self.answers = answers
        self.server = server
        self.eventLoop = eventLoop
        state = eventLoop.state
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
        isWritable = context.channel.isWritable
        timers.unwritableSince = isWritable ? nil : .now
        if isWritable { takeFrames() }
        context.fireChannelWritabilityChanged()
    }
}

// MARK: - Reading

extension RPCConnection {
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if phase == .ended { return }
        isInReadBatch = true
        unwrapInboundIn(data).withUnsafeReadableBytes { decoder.append($0) }
        takeFrames()
        timers.lastHeard = now
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReadPending = false
        isInReadBatch = false
        flush()
        readIfWanted()
        context.fireChannelReadComplete()
    }

    /// Whether another request may begin. This bounds one peer's memory and work.
    private var hasRoom: Bool { inFlight.count < server.bounds.requestsInFlight }

    /// Without room, frames are read until one is a request: cancels make room, and pings need none.
    private var mayTakeFrame: Bool {
        switch phase {
        case .unopened: true
        case .opening, .ended: false
        case .open: (hasRoom || held == nil) && context != nil && isWritable && !hasTooMuchUnread
        }
    }

    /// Whether too much is unread for a request to begin: on this connection, or in total.
    private var hasTooMuchUnread: Bool {
        guard unread > 0 else { return false }
        return unread > server.bounds.unreadAnswersPerConnection || server.answers.isFull
    }

    /// Reads the available frames while requests may begin. Called again when a request has ended.
    func takeFrames() {
        guard !isTakingFrames else { return }
        isTakingFrames = true
        now = .now
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

    /// Takes the next frame. Returns false if no whole frame has arrived.
    private func takeNext() -> Bool {
        if let held {
            self.held = nil
            take(held.request, arrived: held.arrived)
        } else if let incoming = nextIncoming() {
            if incoming.asksForWork, !hasRoom {
                held = HeldRequest(incoming, arrived: now)
            } else {
                take(incoming, arrived: now)
            }
        } else {
            return false
        }
        return true
    }

    private func nextIncoming() -> Incoming? {
        do {
            return try decoder.next { bytes in
                guard bytes.count <= IncomingReader.maxOnLoop else { return .large(Array(bytes)) }
                return server.reader.incoming(over: session) { try state.reader.read(bytes, $0) }
            }
        } catch {
            let refusal = (error as? FrameError).map { RPCError($0) }
            return .wrong(id: nil, refusal ?? RPCError(.invalidArgument, .malformed, "the frame can't be read"))
        }
    }

    var session: Session? { phase == .open ? opened?.session : nil }
    var isOpen: Bool { phase == .open }

    private func readIfWanted() {
        guard let context, !isReadPending, !inputEnded, isDiscarding || mayTakeFrame else { return }
        isReadPending = true
        context.read()
    }

    private var isDiscarding: Bool { phase == .ended }
    /// Whether the connection is reading, so that signs of life from the peer would be noticed.
    var isListening: Bool { isReadPending }

    private func inputClosed() {
        inputEnded = true
        if isDiscarding || inFlight.isEmpty { return endIfIdle() }
        // A peer that only stopped sending gets its replies. A peer that is gone answers this with a reset, which
        // cancels its requests.
        outbox.append(ping: 0)
        flushSoon()
    }
}

// MARK: - Writing

extension RPCConnection {
    /// Sends at the end of this read batch, batch of answers or tick, together with frames that are added until then.
    func flushSoon() {
        guard !isInReadBatch, !isInBatch, !isFlushScheduled, let context else { return }
        isFlushScheduled = true
        context.eventLoop.assumeIsolated().execute {
            self.isFlushScheduled = false
            self.flush()
        }
    }

    func flush() {
        guard let context, !outbox.isEmpty else { return }
        write(context, promise: nil)
        guard !isWritable else { return }
        let unread = try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)
        if let unread, unread > server.bounds.unreadBytes { abort() }
    }

    /// Writes pending frames, and counts their bytes until the system has taken them.
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

    /// Reports unread bytes to the budget. Bytes that the system takes at once are never reported.
    func countUnread() {
        let bytes = unread + outbox.count
        guard context != nil, bytes != countedUnread else { return }
        countedUnread = bytes
        answers.holds(bytes)
    }

    /// Checks regularly whether the peer still reads, and whether there is room again.
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
