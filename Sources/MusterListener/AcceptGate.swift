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

/// How often a listener paused accepting, by cause.
public struct AcceptPauses: Sendable, Equatable {
    /// The system had no descriptor or no memory for another connection.
    public var descriptors = 0
    /// The listener had its maximum of connections.
    public var places = 0

    /// No pauses yet.
    public init() {}
}

/// Limits the connections of a listener, each a descriptor, and pauses accepting if the system has no descriptors left.
///
/// The process must always be able to open other files: libdispatch opens one each second, and ends the process if it
/// can't. So all listeners together have fewer connections than there are descriptors. If the system runs out all the
/// same, NIO would retry at once and forever, since the connection still waits. Its `AcceptBackoffHandler` does not
/// help: it delays reads of the server's channel, and a failed accept leaves the last read pending, so there is none to
/// delay.
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

    /// Handles the error here; the handlers after this one can do nothing about it.
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

    /// Turns automatic reads of the server's channel on or off. While they are off, new connections wait in the
    /// backlog.
    private func update() {
        let mayAccept = !waits && open < maxConnections
        guard accepts != mayAccept, let context, context.channel.isActive else { return }
        accepts = mayAccept
        try? context.channel.syncOptions?.setOption(.autoRead, value: mayAccept)
    }
}

/// A logger for lasting conditions: one line a minute, with the number of suppressed lines.
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
