import HTTPTypes
import MusterListener
import MusterProtocol
import NIOCore
import NIOHTTP1

/// One connection of an HTTP listener, on its event loop: takes one request after the other, hands it over, and sends
/// its answer.
///
/// It reads from the socket only what is wanted: a header, then a body once somebody asks for it.
final class HTTPConnection: ChannelInboundHandler, DrainableConnection {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    enum Phase {
        /// For the header of a request.
        case waiting
        case serving(HTTPExchange)
        /// The last answer is sent; what comes is thrown away.
        case ended
    }

    let bounds: HTTPServerSettings.Bounds
    let budgets: BodyBudgets
    /// The account that its unread responses are charged to.
    let answers: AnswerBudget.Account
    /// The registry that this connection belongs to.
    let connections: OpenConnections<HTTPConnection>
    /// What is to be answered, one at a time.
    let requests = AsyncStream.makeStream(of: IncomingRequest.self)
    /// Kept when nobody can read an answer any more.
    var gone: EventLoopPromise<Void>?
    var phase = Phase.waiting
    var timers = Timers()
    var context: ChannelHandlerContext?
    /// Whether the request in flight is the last one.
    var isClosing = false
    var inputEnded = false
    /// What the header that was read last is too long for.
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

    // MARK: What comes

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
            // Either it wants no more than this answer, or it has gone; only time tells.
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

    /// The first bytes of a request have come, perhaps of one that takes its time.
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
    /// Bytes of the body that have come.
    var received = 0
    /// Bytes of the body that were taken from a budget.
    var charged = 0
    /// Whether all of the request has come.
    var isComplete = false
    var isCallerAuthenticated = false
    /// Why there will be no body.
    var failure: HTTPProblem?
    var waiter: EventLoopPromise<ByteBuffer>?
    var askedAt: ContinuousClock.Instant?

    /// - Parameter refusal: why it is not answered, and nothing after it is read.
    init(_ head: HTTPRequestHead, refusal: HTTPProblem? = nil) { (self.head, failure) = (head, refusal) }

    /// What was no request at all.
    init(refused: HTTPProblem) {
        head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/")
        failure = refused
    }
}
