public import MusterProtocol
import NIOConcurrencyHelpers
public import NIOCore
import NIOPosix
import TestSupport

/// An answer, as its bytes stood on the wire.
public struct RawAnswer: Sendable, Equatable {
    /// The bytes are no answer.
    public struct NotHTTP: Error { public let text: String }

    public let status: Int
    public let headers: [String: String]
    public let body: String

    /// Whether the server will close after it.
    public var closes: Bool { headers["connection"] == "close" }
    /// What every answer has; nil where this one has not.
    public var message: String? { try? JSONDecoding.decode(RESTProblem.self, from: Array(body.utf8)).message }
    /// Whether it names a limit and its value, in its details and in a sentence.
    public func names(_ limit: Limit, as value: Int) -> Bool {
        (try? JSONDecoding.decode(RESTProblem.self, from: Array(body.utf8)))?.names(limit, as: value) == true
    }
}

/// A socket that sends what it is told to, byte by byte if need be, and knows of HTTP only where an answer ends.
public final class RawHTTP: Sendable {
    private struct State {
        var bytes = ByteBuffer()
        var received = 0
        var isClosed = false
        var wasReset = false
    }

    public let channel: any Channel
    private let state: NIOLockedValueBox<State>

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        let state: NIOLockedValueBox<State>
        init(_ state: NIOLockedValueBox<State>) { self.state = state }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var bytes = unwrapInboundIn(data)
            state.withLockedValue { state in
                state.received += bytes.readableBytes
                state.bytes.writeBuffer(&bytes)
            }
        }
        func channelInactive(context: ChannelHandlerContext) { state.withLockedValue { $0.isClosed = true } }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case ChannelEvent.inputClosed? = event as? ChannelEvent { state.withLockedValue { $0.isClosed = true } }
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            state.withLockedValue { $0.wasReset = true }
            context.close(promise: nil)
        }
    }

    /// `reads` false leaves everything in the socket, as a peer that is too slow does.
    public init(port: Int, reads: Bool = true) async throws {
        let state = NIOLockedValueBox(State())
        self.state = state
        channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.autoRead, value: reads)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_rcvbuf), value: 64 << 10)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(state))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
    }

    public var isClosed: Bool { state.withLockedValue { $0.isClosed } }
    public var wasReset: Bool { state.withLockedValue { $0.wasReset } }
    public var bytesReceived: Int { state.withLockedValue { $0.received } }

    /// Sends bytes as they are.
    public func send(_ text: String) async throws { try await channel.writeAndFlush(ByteBuffer(string: text)).get() }

    /// A request with the headers that each must have.
    public func send(
        _ method: String = "POST", _ path: String, headers: [String] = [], body: String? = nil
    ) async throws {
        let length = body.map { ["Content-Length: \($0.utf8.count)"] } ?? []
        let head = (["\(method) \(path) HTTP/1.1", "Host: muster"] + headers + length).joined(separator: "\r\n")
        try await send("\(head)\r\n\r\n\(body ?? "")")
    }

    /// Closes our half of the connection.
    public func finishSending() async throws { try await channel.close(mode: .output).get() }
    public func close() async { try? await channel.close().get() }

    /// The next answer; nil when the server has closed without one.
    public func answer(within seconds: Int = 10) async throws -> RawAnswer? {
        for _ in 0..<(seconds * 100) {
            let (answer, isClosed) = try state.withLockedValue { (try Self.take(&$0.bytes), $0.isClosed) }
            if let answer { return answer }
            if isClosed { return nil }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw TookTooLong()
    }

    /// All that has come and was not taken as an answer.
    public func text() -> String { state.withLockedValue { String(buffer: $0.bytes) } }

    /// Returns when the server has closed; false where it does not.
    public func closes(within seconds: Int = 10) async -> Bool {
        for _ in 0..<(seconds * 100) {
            if isClosed { return true }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    private static func take(_ bytes: inout ByteBuffer) throws -> RawAnswer? {
        let text = String(buffer: bytes)
        guard let end = text.range(of: "\r\n\r\n") else { return nil }
        let lines = text[..<end.lowerBound].split(separator: "\r\n")
        let first = lines[0].split(separator: " ")
        guard first.count > 1, first[0] == "HTTP/1.1", let status = Int(first[1]) else {
            throw RawAnswer.NotHTTP(text: text)
        }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts[1].drop { $0 == " " }.description
        }
        let head = text[..<end.upperBound].utf8.count
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        guard bytes.readableBytes >= head + length else { return nil }
        bytes.moveReaderIndex(forwardBy: head)
        return RawAnswer(status: status, headers: headers, body: bytes.readString(length: length) ?? "")
    }
}

extension String {
    fileprivate func range(of part: String) -> Range<String.Index>? { firstRange(of: part) }
}
