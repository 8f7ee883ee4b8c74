import Logging
import NIOConcurrencyHelpers
import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// How often a listener stopped accepting for a moment, by cause.
public struct AcceptPauses: Sendable, Equatable {
    /// The system had no descriptor or no memory for one more connection.
    public var descriptors = 0
    /// All places of the listener were taken.
    public var places = 0

    /// None so far.
    public init() {}
}

/// Stands at the door of a listener: accepts no more connections than there are places for, each a descriptor, and
/// waits a moment where the system has none.
///
/// What the process opens beside its connections must never fail: libdispatch opens a file each second, and ends the
/// process where it can't. So the places of all listeners are fewer than the descriptors. Where the system runs out all
/// the same, NIO would try again at once and for ever, since the connection still waits; its `AcceptBackoffHandler`
/// doesn't change that, because a failed accept leaves the read of the server's channel pending, so that none is asked
/// for which it could put off.
final class AcceptLimiter: ChannelInboundHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel

    static let pause = TimeAmount.milliseconds(100)

    private let listener: String
    private let maxConnections: Int
    private let pauses: NIOLockedValueBox<AcceptPauses>
    private let log: OncePerMinuteLogger
    private var context: ChannelHandlerContext?
    private var open = 0
    private var waits = false
    private var accepts = true

    init(listener: String, maxConnections: Int, pauses: NIOLockedValueBox<AcceptPauses>, log: OncePerMinuteLogger) {
        self.listener = listener
        self.maxConnections = maxConnections
        self.pauses = pauses
        self.log = log
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        open += 1
        unwrapInboundIn(data).closeFuture.hop(to: context.eventLoop).assumeIsolated().whenComplete { _ in
            self.open -= 1
            self.update()
        }
        if accepts, open >= maxConnections { pauses.withLockedValue { $0.places += 1 } }
        update()
        context.fireChannelRead(data)
    }

    /// Not for the handlers behind: what can be done about it is done here.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError, !waits else { return }
        waits = true
        update()
        _ = context.eventLoop.assumeIsolated().scheduleTask(in: Self.pause) {
            self.waits = false
            self.update()
        }
        pauses.withLockedValue { $0.descriptors += 1 }
        log.warning(
            "Connections can't be accepted for a moment",
            ["listener": "\(listener)", "cause": "\(String(cString: strerror(error.errnoCode)))"])
    }

    /// A server's channel that doesn't read by itself is deaf until it does again; what connects meanwhile is in the
    /// backlog.
    private func update() {
        let mayAccept = !waits && open < maxConnections
        guard accepts != mayAccept, let context, context.channel.isActive else { return }
        accepts = mayAccept
        try? context.channel.syncOptions?.setOption(.autoRead, value: mayAccept)
    }
}

/// A logger for what may last: a line a minute, with how often it came about since the last one.
final class OncePerMinuteLogger: Sendable {
    private let logger: Logger
    private let state = NIOLockedValueBox<(last: ContinuousClock.Instant?, suppressed: Int)>((nil, 0))

    init(_ logger: Logger) { self.logger = logger }

    func warning(_ message: Logger.Message, _ metadata: Logger.Metadata) {
        let now = ContinuousClock.now
        let suppressed = state.withLockedValue { state -> Int? in
            if let last = state.last, now - last < .seconds(60) {
                state.suppressed += 1
                return nil
            }
            defer { state = (now, 0) }
            return state.suppressed
        }
        guard let suppressed else { return }
        var metadata = metadata
        if suppressed > 0 { metadata["suppressed"] = .stringConvertible(suppressed) }
        logger.warning(message, metadata: metadata)
    }
}
