import Logging
import NIOConcurrencyHelpers
import NIOCore

/// Reads the PROXY header of each connection. The handlers after it see the connection only then.
final class ProxyHeaderHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let listener: String
    private let line: ProxyHeaderQueue
    private let log: RateLimitedLogger
    private let patience: TimeAmount
    /// Adds the handlers after this one.
    private let begin: (any Channel, PeerAddress?) throws -> Void
    private var bytes = ByteBuffer()
    private var timer: Scheduled<Void>?
    private var ticket: UInt64?
    private var isWaiting = true

    init(
        listener: String, line: ProxyHeaderQueue, log: RateLimitedLogger, patience: TimeAmount,
        begin: @escaping (any Channel, PeerAddress?) throws -> Void
    ) {
        self.listener = listener
        self.line = line
        self.log = log
        self.patience = patience
        self.begin = begin
    }

    func channelActive(context: ChannelHandlerContext) {
        ticket = line.enter(context.channel)
        let bound = context.loopBound
        timer = context.eventLoop.scheduleTask(in: patience) { bound.value.close(promise: nil) }
        context.read()
    }

    func channelInactive(context: ChannelHandlerContext) {
        endWaiting()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { endWaiting() }

    private func endWaiting() {
        isWaiting = false
        timer?.cancel()
        timer = nil
        if let ticket { line.leave(ticket) }
        ticket = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard isWaiting else { return context.fireChannelRead(data) }
        var new = unwrapInboundIn(data)
        bytes.writeBuffer(&new)
        switch ProxyHeader.read(bytes.readableBytesView) {
        case .partial: break
        case .malformed(let reason):
            log.info("Connection without a good PROXY header", ["listener": "\(listener)", "reason": "\(reason)"])
            endWaiting()
            context.close(promise: nil)
        case .whole(let header, let length):
            bytes.moveReaderIndex(forwardBy: length)
            hand(on: header.source, context)
        }
    }

    private func hand(on source: PeerAddress?, _ context: ChannelHandlerContext) {
        endWaiting()
        do { try begin(context.channel, source) } catch { return context.close(promise: nil) }
        context.fireChannelActive()
        if bytes.readableBytes > 0, context.channel.isActive {
            context.fireChannelRead(wrapInboundOut(bytes))
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if isWaiting { return context.read() }
        context.fireChannelReadComplete()
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if isWaiting, case ChannelEvent.inputClosed? = event as? ChannelEvent { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if isWaiting { context.close(promise: nil) } else { context.fireErrorCaught(error) }
    }
}

/// The connections of a listener whose header has not arrived. A proxy sends it at once, so there are few; beyond the
/// maximum, the oldest is closed.
final class ProxyHeaderQueue: Sendable {
    static let maxConnections = 32

    private struct State {
        var channels: [UInt64: any Channel] = [:]
        /// No waiting channel has a smaller number.
        var first: UInt64 = 0
        var next: UInt64 = 0
    }
    private let state = NIOLockedValueBox(State())

    func enter(_ channel: any Channel) -> UInt64 {
        let (ticket, oldest) = state.withLockedValue { state -> (UInt64, (any Channel)?) in
            defer { state.next += 1 }
            state.channels[state.next] = channel
            guard state.channels.count > Self.maxConnections else { return (state.next, nil) }
            while state.channels[state.first] == nil { state.first += 1 }
            return (state.next, state.channels.removeValue(forKey: state.first))
        }
        oldest?.close(promise: nil)
        return ticket
    }

    func leave(_ ticket: UInt64) { state.withLockedValue { $0.channels[ticket] = nil } }
}
