import NIOConcurrencyHelpers
import NIOCore

/// The open connections of a REST server.
final class RESTConnections: Sendable {
    private struct Handle: Sendable {
        let loop: any EventLoop
        let connection: NIOLoopBound<RESTConnection>
    }

    private struct State {
        var handles: [ObjectIdentifier: Handle] = [:]
        var isClosing = false
        var waiters: [CheckedContinuation<Void, Never>] = []
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

    init(most: Int) { self.most = most }

    var count: Int { state.withLockedValue { $0.handles.count } }

    /// Takes a connection in, on its loop, unless there are too many or the server is going.
    func add(_ connection: RESTConnection, on loop: any EventLoop) -> Admission {
        let handle = Handle(loop: loop, connection: NIOLoopBound(connection, eventLoop: loop))
        return state.withLockedValue { state in
            guard !state.isClosing, state.handles.count < most + Self.mostSurplus else { return .refused }
            state.handles[ObjectIdentifier(connection)] = handle
            return state.handles.count > most ? .surplus : .taken
        }
    }

    func remove(_ connection: RESTConnection) {
        let waiters = state.withLockedValue { state in
            state.handles[ObjectIdentifier(connection)] = nil
            guard state.handles.isEmpty else { return [CheckedContinuation<Void, Never>]() }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Lets no new connection in, and has all those that are there finish.
    func drain() { each { $0.drain() } }

    func cut() { each { $0.cut() } }

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

    private func each(_ body: @escaping @Sendable (RESTConnection) -> Void) {
        let handles = state.withLockedValue { state in
            state.isClosing = true
            return Array(state.handles.values)
        }
        for handle in handles { handle.loop.execute { body(handle.connection.value) } }
    }
}

/// A connection beyond the bound: it is told so, whatever it sends.
final class SurplusConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private static let answer = """
        {"message":"the server has too many connections; try again"}
        """
    private let linger: TimeAmount

    init(linger: TimeAmount) { self.linger = linger }

    func channelActive(context: ChannelHandlerContext) {
        let text = """
            HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r
            x-ratelimit-limit: \r\nx-ratelimit-remaining: \r\nx-ratelimit-reset: \r
            content-length: \(Self.answer.utf8.count)\r\nconnection: close\r\n\r\n\(Self.answer)
            """
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
        context.close(mode: .output, promise: nil)
        let bound = context.loopBound
        _ = context.eventLoop.scheduleTask(in: linger) { bound.value.close(promise: nil) }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}  // thrown away

    func channelReadComplete(context: ChannelHandlerContext) { context.read() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
