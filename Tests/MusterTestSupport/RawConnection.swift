public import MusterProtocol
import NIOConcurrencyHelpers
public import NIOCore
import NIOPosix
import TestSupport

/// The content of a frame.
public enum Frame: Equatable, Sendable {
    case reply(id: Int64, body: String)
    case error(id: Int64, RPCError)
    case goaway(lastID: Int64, reason: String)
    case ping(Int64)
    case pong(Int64)
    case other

    public init(_ bytes: [UInt8]) throws {
        self = try JSONReader().read(bytes) { message in
            switch try Envelope(message) {
            case .reply(let id, let body): .reply(id: id, body: RawJSON(body).text)
            case .error(let id, let error): .error(id: id, error)
            case .goaway(let lastID, let reason): .goaway(lastID: lastID, reason: reason)
            case .ping(let number): .ping(number)
            case .pong(let number): .pong(number)
            default: .other
            }
        }
    }

    public var id: Int64? {
        switch self {
        case .reply(let id, _), .error(let id, _): id
        default: nil
        }
    }

    public var code: RPCCode? { if case .error(_, let error) = self { error.code } else { nil } }
}

/// A socket that sends what it is told to, byte by byte if need be, and knows nothing of calls.
public final class RawConnection: Sendable {
    private struct State {
        var decoder = FrameDecoder(limit: Limits.frame.set(to: .max))
        var received = 0
        var isClosed = false
        var waiter: EventLoopPromise<Void>?
    }

    public let channel: any Channel
    private let state: NIOLockedValueBox<State>

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        let state: NIOLockedValueBox<State>
        init(_ state: NIOLockedValueBox<State>) { self.state = state }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = Array(unwrapInboundIn(data).readableBytesView)
            wake { state in
                state.decoder.append(bytes)
                state.received += bytes.count
            }
        }
        func channelInactive(context: ChannelHandlerContext) { wake { $0.isClosed = true } }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case ChannelEvent.inputClosed? = event as? ChannelEvent { wake { $0.isClosed = true } }
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        private func wake(_ change: (inout State) -> Void) {
            let waiter = state.withLockedValue { state in
                change(&state)
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.succeed(())
        }
    }

    /// With `reads` false everything stays in the socket, as with a slow peer.
    public init(port: Int, reads: Bool = true) async throws {
        let state = NIOLockedValueBox(State())
        self.state = state
        channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.autoRead, value: reads)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(state))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
    }

    public var bytesReceived: Int { state.withLockedValue { $0.received } }
    public var isClosed: Bool { state.withLockedValue { $0.isClosed } }

    public func send(_ bytes: [UInt8]) async throws {
        try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
    }

    public func send(_ messages: String...) async throws { try await send(messages.flatMap(framed)) }

    /// Closes our half of the connection.
    public func finishSending() async throws { try await channel.close(mode: .output).get() }
    public func close() async { try? await channel.close().get() }

    /// The next frame; nil when the server has closed the connection.
    public func next(within seconds: Int64 = 10) async throws -> Frame? {
        while true {
            let step = try state.withLockedValue { state -> (Frame?, Bool, EventLoopFuture<Void>?) in
                if let bytes = try state.decoder.next({ Array($0) }) { return (try Frame(bytes), false, nil) }
                if state.isClosed { return (nil, true, nil) }
                let promise = channel.eventLoop.makePromise(of: Void.self)
                state.waiter = promise
                return (nil, false, promise.futureResult)
            }
            if let frame = step.0 { return frame }
            guard let future = step.2 else { return nil }
            let waiter = state.withLockedValue { $0.waiter }
            let timeout = channel.eventLoop.scheduleTask(in: .seconds(seconds)) { waiter?.fail(TookTooLong()) }
            try await future.get()
            timeout.cancel()
        }
    }

    public func next(_ count: Int) async throws -> [Frame] {
        var frames: [Frame] = []
        while frames.count < count, let frame = try await next() { frames.append(frame) }
        return frames
    }

    /// All frames until the server closes the connection.
    public func rest() async throws -> [Frame] { try await next(.max) }

    /// Opens a session.
    public func open(key: String = "good") async throws {
        try await send("{\"id\":1,\"method\":\"session.open\",\"body\":{\"key\":\"\(key)\"}}")
        guard case .reply(1, _)? = try await next() else { throw RPCError(.unauthenticated, "not opened") }
    }
}

/// A message with its header.
public func framed(_ message: String) -> [UInt8] {
    var bytes: [UInt8] = []
    FrameHeader(length: message.utf8.count).append(to: &bytes)
    return bytes + message.utf8
}

/// The text of a request.
public func request(_ id: Int, _ method: String, _ body: String = "{}", deadline: Int? = nil) -> String {
    let deadline = deadline.map { ",\"deadline_ms\":\($0)" } ?? ""
    return "{\"id\":\(id),\"method\":\"\(method)\"\(deadline),\"body\":\(body)}"
}
