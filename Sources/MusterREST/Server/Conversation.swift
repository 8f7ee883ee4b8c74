import Gzip
import HTTPTypes
import Hummingbird
import HummingbirdCore
import MusterListener
import MusterProtocol
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1

/// The requests of one connection, as a task sees them.
struct Conversation: Sendable {
    let requests: AsyncStream<IncomingRequest>
    /// Kept when nobody can read an answer any more.
    let gone: EventLoopFuture<Void>

    /// Answers one request after the other. A client that goes away ends the work on its request.
    func hold(_ responder: RESTResponder) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await request in requests { await responder.answer(request) } }
            group.addTask { try? await gone.get() }
            await group.next()
            group.cancelAll()
        }
    }
}

/// A request whose body is read when somebody asks for it.
struct IncomingRequest: Sendable {
    /// The one that the current task answers: who has judged a key says so here, however deep below the route.
    @TaskLocal static var current: IncomingRequest?

    let head: HTTPRequestHead
    /// Why it is no request.
    let refusal: Refusal?
    /// Where what is held of its answer is counted.
    let answers: AnswerBudget.Account
    let time = TimeBudget()
    let route = FoundRoute()
    let loop: any EventLoop
    let connection: NIOLoopBound<RESTConnection>

    /// As Hummingbird's routes want it. Throws a `Refusal` where it is no request.
    func request() throws -> Request {
        if let refusal { throw refusal }
        guard let method = HTTPRequest.Method(rawValue: head.method.rawValue) else {
            throw Refusal(.badRequest, .malformed, "this is not well-formed HTTP")
        }
        var fields = HTTPFields()
        for (name, value) in head.headers {
            guard let name = HTTPField.Name(name) else {
                throw Refusal(.badRequest, .malformed, "this is not well-formed HTTP")
            }
            fields.append(HTTPField(name: name, value: value))
        }
        let request = HTTPRequest(
            method: method, scheme: nil, authority: head.authority, path: head.uri,
            headerFields: fields)
        return Request(head: request, body: RequestBody(asyncSequence: WholeBody(request: self)))
    }

    /// What the client sends counts as a stranger's no more.
    func callerIsAuthenticated() {
        loop.execute {
            if case .serving(let exchange) = connection.value.phase { connection.value.callerIsAuthenticated(exchange) }
        }
    }

    /// All of the body, unpacked. Throws a `Refusal` where it does not come, or is not taken.
    func body() async throws -> ByteBuffer {
        let sent = try await sentBody()
        return head.bodyCoding == .gzip ? try await unpacked(sent) : sent
    }

    /// In steps, so that what would grow beyond its bounds is thrown away before it does.
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
            throw Refusal(.badRequest, .malformed, "the body is not what gzip writes, or not all of it")
        }
    }

    private static let unpackedAtOnce = 256 << 10

    /// All of the body as it was sent.
    private func sentBody() async throws -> ByteBuffer {
        try await time.waitingForClient {
            try await loop.flatSubmit { () -> EventLoopFuture<ByteBuffer> in
                guard let context = connection.value.context, case .serving(let exchange) = connection.value.phase
                else { return loop.makeFailedFuture(RPCError.clientHasGone) }
                return connection.value.askForBody(context, exchange)
            }.get()
        }
    }

    /// Sends a part of the answer; returns when the system has taken it.
    func send(_ parts: [HTTPServerResponsePart]) async throws {
        try await loop.flatSubmit { () -> EventLoopFuture<Void> in
            guard case .serving(let exchange) = connection.value.phase,
                let sent = connection.value.send(parts, of: exchange)
            else { return loop.makeFailedFuture(ChannelError.ioOnClosedChannel) }
            return sent
        }.get()
    }

    /// Closes the connection: the answer can't be finished.
    func cut() { loop.execute { connection.value.cut() } }
}

/// The route by which a request was found to be answered.
final class FoundRoute: Sendable {
    private let found = NIOLockedValueBox<String?>(nil)

    /// Its path, with the names of its parts; nil where there is none.
    var name: String? {
        get { found.withLockedValue(\.self) }
        set { found.withLockedValue { $0 = newValue } }
    }
}

/// A body in one piece: that is what is read as JSON.
struct WholeBody: AsyncSequence, Sendable {
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

/// Sends an answer in pieces of 64 KiB, so that a slow reader holds up no more than that.
struct AnswerWriter: ResponseBodyWriter {
    private static let maxPieceBytes = 64 << 10
    private let request: IncomingRequest
    private let isHead: Bool
    private var parts: [HTTPServerResponsePart]
    private var bytes = 0

    init(_ request: IncomingRequest, _ response: Response) {
        self.request = request
        isHead = request.head.method == .HEAD
        var headers = HTTPHeaders(response.headers.map { ($0.name.rawName, $0.value) })
        if let length = response.body.contentLength, !headers.contains(name: "content-length") {
            headers.add(name: "content-length", value: String(length))
        }
        let status = HTTPResponseStatus(statusCode: response.status.code, reasonPhrase: response.status.reasonPhrase)
        parts = [.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))]
    }

    mutating func write(_ buffer: ByteBuffer) async throws {
        if isHead { return }
        request.answers.holds(bytes + buffer.readableBytes)
        var rest = buffer
        while let piece = rest.readSlice(length: min(rest.readableBytes, Self.maxPieceBytes - bytes)),
            piece.readableBytes > 0
        {
            parts.append(.body(.byteBuffer(piece)))
            bytes += piece.readableBytes
            if bytes == Self.maxPieceBytes { try await flush() }
        }
        request.answers.holds(bytes)
    }

    private mutating func flush() async throws {
        let full = parts
        (parts, bytes) = ([], 0)
        try await request.send(full)
        request.answers.moves()
    }

    consuming func finish(_: HTTPFields?) async throws {
        try await request.send(parts + [.end(nil)])
        request.answers.holds(0)
    }
}
