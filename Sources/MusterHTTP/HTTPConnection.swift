import HTTPTypes
import MusterListener
import MusterProtocol
import NIOCore
import NIOHTTP1

/// One connection of an HTTP listener, on its event loop: reads one request after the other, hands it over, and sends
/// its response.
///
/// It reads from the socket only what is needed: a header, then a body on demand.
final class HTTPConnection: ChannelInboundHandler, DrainableConnection {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    enum Phase {
        /// Waiting for the header of a request.
        case waiting
        case serving(HTTPExchange)
        /// The last response is sent; input is discarded.
        case ended
    }

    let bounds: HTTPServerSettings.Bounds
    let budgets: BodyBudgets
    /// The account that its unread responses are charged to.
    let answers: AnswerBudget.Account
    /// The registry that this connection belongs to.
    let connections: OpenConnections<HTTPConnection>
    /// The requests to answer, one at a time.
    let requests = AsyncStream.makeStream(of: IncomingRequest.self)
    /// Succeeds when the client can no longer read a response.
    var gone: EventLoopPromise<Void>?
    var phase = Phase.waiting
    var timers = Timers()
    var context: ChannelHandlerContext?
    /// Whether the request in flight is the last one.
    var isClosing = false
    var inputEnded = false
    /// The limit that the last header exceeded.
    var headerExceeds: Limit?

    init(
        bounds: HTTPServerSettings.Bounds, budgets: BodyBudgets, connections: OpenConnections<HTTPConnection>,
        answers: AnswerBudget.Account
    ) {
        self.answers = answers
        self.bounds = bounds
        self.budgets = budgets
        self.connections = connections
    }

    // MARK: Input

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        startTimers(context)
        context.read()
    }

    func channelInactive(context: ChannelHandlerContext) { leave() }

    func handlerRemoved(context: ChannelHandlerContext) { leave() }

    private func leave() {
        context = nil
        timers.ticking?.cancel()
        answers.close()
        if case .serving(let exchange) = phase { release(exchange, RPCError.clientHasGone) }
        phase = .ended
        requests.continuation.finish()
        gone?.succeed()
        gone = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (unwrapInboundIn(data), phase) {
        case (.head(let head), .waiting): begin(HTTPExchange(head, refusal: head.refusal))
        case (.body(let bytes), .serving(let exchange)): take(bytes, exchange)
        case (.end, .serving(let exchange)):
            exchange.isComplete = true
            giveBody(exchange)
        default: break  // of a request that was refused
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        switch phase {
        case .waiting, .ended: context.read()
        case .serving(let exchange): if exchange.waiter != nil { context.read() }
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed? = event as? ChannelEvent else { return }
        inputEnded = true
        switch phase {
        case .waiting, .ended: context.close(promise: nil)
        case .serving(let exchange):
            // The client either wants only this response or has gone; only time tells.
            _ = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(bounds.halfClosed)) {
                if case .serving(let current) = self.phase, current === exchange { self.abort() }
            }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError else { return abort() }
        let refusal =
            headerExceeds.map { limit in
                HTTPProblem(
                    .requestHeaderFieldsTooLarge, .tooLong, limit: limit,
                    "the header is over the limit of \(limit.described)")
            } ?? .malformed
        switch phase {
        case .waiting: begin(HTTPExchange(refused: refusal))
        case .serving(let exchange): fail(exchange, refusal)
        case .ended: break
        }
    }

    private func begin(_ exchange: HTTPExchange) {
        guard let context else { return }
        phase = .serving(exchange)
        timers.headBegan = nil
        requests.continuation.yield(
            IncomingRequest(
                head: exchange.head, problem: exchange.failure, answers: answers, loop: context.eventLoop,
                connection: NIOLoopBound(self, eventLoop: context.eventLoop)))
    }

    /// Notes the first bytes of a request, whose header may arrive slowly.
    func bytesCame() {
        if case .waiting = phase, timers.headBegan == nil { timers.headBegan = .now }
    }

    var isWaiting: Bool { if case .waiting = phase { true } else { false } }
    var hasEnded: Bool { if case .ended = phase { true } else { false } }
}

/// One request and its response, on the event loop.
final class HTTPExchange {
    let head: HTTPRequestHead
    var body = ByteBuffer()
    /// Bytes of the body that have arrived.
    var received = 0
    /// Bytes of the body that are charged to a budget.
    var charged = 0
    /// Whether the whole request has arrived.
    var isComplete = false
    var isCallerAuthenticated = false
    /// Why the body can't be read.
    var failure: HTTPProblem?
    var waiter: EventLoopPromise<ByteBuffer>?
    var askedAt: ContinuousClock.Instant?

    /// - Parameter refusal: why the request is not answered; nothing after it is read.
    init(_ head: HTTPRequestHead, refusal: HTTPProblem? = nil) { (self.head, failure) = (head, refusal) }

    /// An exchange for input that is not a request.
    init(refused: HTTPProblem) {
        head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/")
        failure = refused
    }
}
