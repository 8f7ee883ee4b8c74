import Gzip
import HTTPTypes
public import HummingbirdCore
public import MusterListener
public import MusterProtocol
import NIOCore
import NIOHTTP1

/// One request of a connection, for code off the event loop. Its body is read on demand.
public struct IncomingRequest: Sendable {
    let head: HTTPRequestHead
    /// Why the request is invalid; nil if it is valid.
    let problem: HTTPProblem?
    /// The account that the memory of its response is charged to.
    public let answers: AnswerBudget.Account
    let time = TimeBudget()
    let loop: any EventLoop
    let connection: NIOLoopBound<HTTPConnection>

    /// The deadline of a request that may take `limit`. The time in which the client sends its body is not counted.
    public func deadline(_ limit: Limit) -> ContinuousClock.Instant { time.deadline(limit) }

    /// The request for Hummingbird's router. Throws an `HTTPProblem` if it is not valid.
    public func request() throws -> Request {
        if let problem { throw problem }
        guard let method = HTTPRequest.Method(rawValue: head.method.rawValue) else { throw HTTPProblem.malformed }
        var fields = HTTPFields()
        for (name, value) in head.headers {
            guard let name = HTTPField.Name(name) else { throw HTTPProblem.malformed }
            fields.append(HTTPField(name: name, value: value))
        }
        let request = HTTPRequest(
            method: method, scheme: nil, authority: head.authority, path: head.uri, headerFields: fields)
        return Request(head: request, body: RequestBody(asyncSequence: WholeBody(request: self)))
    }

    /// Moves the connection and its body to the budgets of authenticated callers.
    public func callerIsAuthenticated() {
        loop.execute {
            if case .serving(let exchange) = connection.value.phase {
                connection.value.callerIsAuthenticated(exchange)
            }
        }
    }

    /// Sends a part of the response; returns when the system has taken it.
    func send(_ parts: [HTTPServerResponsePart]) async throws {
        try await loop.flatSubmit { () -> EventLoopFuture<Void> in
            guard case .serving(let exchange) = connection.value.phase,
                let sent = connection.value.send(parts, of: exchange)
            else { return loop.makeFailedFuture(ChannelError.ioOnClosedChannel) }
            return sent
        }.get()
    }

    /// Closes the connection: the response can't be finished.
    func abort() { loop.execute { connection.value.abort() } }
}

extension HTTPProblem {
    static let malformed = HTTPProblem(.badRequest, .malformed, "this is not well-formed HTTP")
}

// MARK: The body

extension IncomingRequest {
    /// The whole body, unpacked. Throws an `HTTPProblem` if it does not arrive or is refused.
    func body() async throws -> ByteBuffer {
        let sent = try await sentBody()
        return head.bodyCoding == .gzip ? try await unpacked(sent) : sent
    }

    /// Unpacks in steps, so that a body is dropped before it exceeds its bounds.
    func unpacked(_ sent: ByteBuffer) async throws -> ByteBuffer {
        var body = ByteBuffer()
        do {
            let reader = try GzipReader(Array(sent.readableBytesView))
            while true {
                let count = try body.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.unpackedAtOnce) {
                    try reader.read(into: .init(rebasing: $0.prefix(Self.unpackedAtOnce)))
                }
                if count == 0 { return body }
                let total = body.readableBytes
                try await loop.submit { try connection.value.chargeUnpacked(count, total: total) }.get()
            }
        } catch is GzipReader.Malformed {
            throw HTTPProblem(.badRequest, .malformed, "the body is not what gzip writes, or not all of it")
        }
    }

    private static let unpackedAtOnce = 256 << 10

    private func sentBody() async throws -> ByteBuffer {
        try await time.waitingForClient {
            try await loop.flatSubmit { () -> EventLoopFuture<ByteBuffer> in
                guard let context = connection.value.context, case .serving(let exchange) = connection.value.phase
                else { return loop.makeFailedFuture(RPCError.clientHasGone) }
                return connection.value.askForBody(context, exchange)
            }.get()
        }
    }
}

/// The body as a sequence of one element.
private struct WholeBody: AsyncSequence, Sendable {
    let request: IncomingRequest

    struct AsyncIterator: AsyncIteratorProtocol {
        var request: IncomingRequest?

        mutating func next() async throws -> ByteBuffer? {
            guard let request else { return nil }
            self.request = nil
            return try await request.body()
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(request: request) }
}
