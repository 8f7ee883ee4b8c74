import HTTPTypes
import MusterListener
import MusterProtocol
import NIOCore
import NIOHTTP1

extension HTTPConnection {
    /// Begins to read the body, which is delivered whole. The declared length is checked before a byte of the body is
    /// read.
    func askForBody(_ context: ChannelHandlerContext, _ exchange: HTTPExchange) -> EventLoopFuture<ByteBuffer> {
        let promise = context.eventLoop.makePromise(of: ByteBuffer.self)
        if let failure = exchange.failure ?? refusal(of: exchange.head) {
            exchange.failure = failure
            promise.fail(failure)
            return promise.futureResult
        }
        exchange.waiter = promise
        exchange.askedAt = .now
        charge(exchange, exchange.body.readableBytes)
        giveBody(exchange)
        if exchange.waiter != nil {
            if exchange.received == 0 { sayContinue(context, exchange.head) }
            context.read()
        }
        return promise.futureResult
    }

    private func refusal(of head: HTTPRequestHead) -> HTTPProblem? {
        if head.bodyCoding == nil {
            return HTTPProblem(
                .unsupportedMediaType, .unknownValue, field: "Content-Encoding",
                "Content-Encoding must be gzip, or left out")
        }
        return head.declaredLength ?? .max > bounds.body ? tooLarge : nil
    }

    private var tooLarge: HTTPProblem {
        let limit = Limits.restBody.set(to: bounds.body)
        return HTTPProblem(
            .contentTooLarge, .tooLong, limit: limit, "the body has more than \(limit.described)")
    }

    private func sayContinue(_ context: ChannelHandlerContext, _ head: HTTPRequestHead) {
        guard head.version == .http1_1,
            head.headers[canonicalForm: "expect"].contains(where: { $0.lowercased() == "100-continue" })
        else { return }
        context.writeAndFlush(
            wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))), promise: nil)
    }

    /// Receives a part of the body.
    func take(_ bytes: ByteBuffer, _ exchange: HTTPExchange) {
        guard exchange.failure == nil else { return }
        var bytes = bytes
        exchange.received += bytes.readableBytes
        guard exchange.received <= bounds.body else { return fail(exchange, tooLarge) }
        exchange.body.writeBuffer(&bytes)
        if exchange.waiter != nil { charge(exchange, exchange.received - exchange.charged) }
    }

    /// Charges bytes of a body to its budget.
    private func charge(_ exchange: HTTPExchange, _ bytes: Int) {
        guard budget(of: exchange).acquire(bytes) else {
            return fail(exchange, noRoom(exchange))
        }
        exchange.charged += bytes
    }

    private func noRoom(_ exchange: HTTPExchange) -> HTTPProblem {
        let limit =
            exchange.isCallerAuthenticated
            ? Limits.restBodies.set(to: bounds.bodies)
            : Limits.restUnauthenticatedBodies.set(to: bounds.unauthenticatedBodies)
        return HTTPProblem(
            .serviceUnavailable, .tooBusy, limit: limit,
            "the server has too much to read: all that it holds of such bodies are \(limit.value) bytes "
                + "(\(limit.name)); try again")
    }

    /// Charges unpacked bytes of a body, on top of its compressed ones. Throws an `HTTPProblem` or
    /// `RPCError.clientHasGone`, which end the unpacking.
    func chargeUnpacked(_ bytes: Int, total: Int) throws {
        guard total <= bounds.body else { throw tooLarge }
        guard case .serving(let exchange) = phase else { throw RPCError.clientHasGone }
        guard budget(of: exchange).acquire(bytes) else { throw noRoom(exchange) }
        exchange.charged += bytes
    }

    private func budget(of exchange: HTTPExchange) -> ByteBudget {
        exchange.isCallerAuthenticated ? budgets.authenticated : budgets.unauthenticated
    }

    /// Moves the connection and its body to the budgets of authenticated callers. A body that has already arrived stays
    /// in its budget while the other one is full.
    func callerIsAuthenticated(_ exchange: HTTPExchange) {
        connections.authenticated(self)
        guard !exchange.isCallerAuthenticated, budgets.authenticated.acquire(exchange.charged) else { return }
        budgets.unauthenticated.release(exchange.charged)
        exchange.isCallerAuthenticated = true
    }

    /// Delivers the body to its reader as soon as it is complete.
    func giveBody(_ exchange: HTTPExchange) {
        guard exchange.isComplete, let waiter = exchange.waiter else { return }
        exchange.waiter = nil
        waiter.succeed(exchange.body)
        exchange.body = ByteBuffer()
    }

    /// Ends reading for good. The body's reader gets the refusal and responds with it.
    func fail(_ exchange: HTTPExchange, _ refusal: HTTPProblem) {
        exchange.failure = refusal
        release(exchange, refusal)
    }

    /// Releases the memory of a request.
    func release(_ exchange: HTTPExchange, _ error: any Error) {
        exchange.waiter?.fail(error)
        exchange.waiter = nil
        exchange.body = ByteBuffer()
        budget(of: exchange).release(exchange.charged)
        exchange.charged = 0
    }
}

extension RPCError {
    /// The error of a request whose response can no longer be read.
    static let clientHasGone = RPCError(.cancelled, "the client has gone")
}
