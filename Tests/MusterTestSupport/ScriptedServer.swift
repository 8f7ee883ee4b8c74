import MusterProtocol
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import TestSupport

/// A server that sends what a test tells it, for replies that Muster never sends.
public final class ScriptedServer: Sendable {
    private struct State {
        var decoder = FrameDecoder(limit: Limits.frame.set(to: .max))
        var requests = 0
        var peer: (any Channel)?
    }

    private let listener: any Channel
    private let state: NIOLockedValueBox<State>

    private final class Counter: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        let state: NIOLockedValueBox<State>
        init(_ state: NIOLockedValueBox<State>) { self.state = state }
        func channelActive(context: ChannelHandlerContext) { state.withLockedValue { $0.peer = context.channel } }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = Array(unwrapInboundIn(data).readableBytesView)
            state.withLockedValue { state in
                state.decoder.append(bytes)
                while (try? state.decoder.next { _ in true }) == true { state.requests += 1 }
            }
        }
    }

    /// Listens on a port of this machine.
    public init(port: Int) async throws {
        let state = NIOLockedValueBox(State())
        self.state = state
        listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Counter(state)) }
            }
            .bind(host: "127.0.0.1", port: port).get()
    }

    /// The number of whole frames that came.
    public var requests: Int { state.withLockedValue { $0.requests } }

    /// Waits for request number `id` and replies to it.
    public func answer(_ id: Int, _ body: String) async throws {
        guard await eventually({ self.requests >= id }) else { throw TookTooLong() }
        try await send("{\"id\":\(id),\"body\":\(body)}")
    }

    /// Sends a message behind its header.
    public func send(_ message: String) async throws {
        guard let peer = state.withLockedValue({ $0.peer }) else { throw TookTooLong() }
        try await peer.writeAndFlush(ByteBuffer(bytes: framed(message))).get()
    }

    /// Sends bytes as they are.
    public func sendRaw(_ text: String) async throws {
        guard let peer = state.withLockedValue({ $0.peer }) else { throw TookTooLong() }
        try await peer.writeAndFlush(ByteBuffer(string: text)).get()
    }

    /// Refuses new connections and keeps those it has.
    public func stopListening() async { try? await listener.close().get() }
    /// Closes the connection.
    public func close() async { try? await state.withLockedValue { $0.peer }?.close().get() }
}
