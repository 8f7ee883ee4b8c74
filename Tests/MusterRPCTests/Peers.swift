import MusterListener
import MusterProtocol
import MusterServer
import MusterTestSupport
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A port that stays ours while one server goes and another comes. Other tests' connections would be given it otherwise.
struct ReservedPort: ~Copyable {
    let number: Int
    private let descriptor: Int32

    init() throws {
        #if canImport(Glibc)
            let type = Int32(SOCK_STREAM.rawValue)
        #else
            let type = SOCK_STREAM
        #endif
        descriptor = socket(AF_INET, type, 0)
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 ? getsockname(descriptor, address, &length) : -1
            }
        }
        number = Int(UInt16(bigEndian: address.sin_port))
        guard result == 0 else { throw TookTooLong() }
    }

    deinit { close(descriptor) }

    borrowing func server(_ stage: Stage) -> RPCServer {
        RPCServer(
            settings: .init(listener: .init(port: number, allowPlaintext: true), bounds: quickBounds),
            router: router(stage),
            logger: quiet)
    }
}

/// A server that does what a test tells it, for what ours would not do on its own.
final class ScriptedServer: Sendable {
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

    init(port: Int) async throws {
        let state = NIOLockedValueBox(State())
        self.state = state
        listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Counter(state)) }
            }
            .bind(host: "127.0.0.1", port: port).get()
    }

    /// Whole frames that came.
    var requests: Int { state.withLockedValue { $0.requests } }

    /// Waits for a request and answers it.
    func answer(_ id: Int, _ body: String) async throws {
        guard await eventually({ self.requests >= id }) else { throw TookTooLong() }
        try await send("{\"id\":\(id),\"body\":\(body)}")
    }

    func send(_ message: String) async throws {
        guard let peer = state.withLockedValue({ $0.peer }) else { throw TookTooLong() }
        try await peer.writeAndFlush(ByteBuffer(bytes: framed(message))).get()
    }

    func sendRaw(_ text: String) async throws {
        guard let peer = state.withLockedValue({ $0.peer }) else { throw TookTooLong() }
        try await peer.writeAndFlush(ByteBuffer(string: text)).get()
    }

    func stopListening() async { try? await listener.close().get() }
    func close() async { try? await state.withLockedValue { $0.peer }?.close().get() }
}
