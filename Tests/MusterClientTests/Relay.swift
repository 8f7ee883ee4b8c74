import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import TestSupport

/// Forwards connections to servers in turn, and cuts single ones.
final class Relay: Sendable {
    private struct State {
        var targets: [Int] = []
        var accepted = 0
        var peers: [any Channel] = []
    }

    private let listener: any Channel
    private let state: NIOLockedValueBox<State>

    /// Runs `body` with a relay to these ports, and ends it.
    static func with(_ targets: [Int], _ body: (Relay) async throws -> Void) async throws {
        let relay = try await Relay(targets)
        try await cleaningUp({ await relay.close() }, after: { try await body(relay) })
    }

    private init(_ targets: [Int]) async throws {
        let state = NIOLockedValueBox(State(targets: targets))
        self.state = state
        listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in Self.join(channel, state) }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    private static func join(_ channel: any Channel, _ state: NIOLockedValueBox<State>) -> EventLoopFuture<Void> {
        let target: Int? = state.withLockedValue { state in
            defer { state.accepted += 1 }
            return state.targets.isEmpty ? nil : state.targets[state.accepted % state.targets.count]
        }
        guard let target else { return channel.close() }
        return ClientBootstrap(group: channel.eventLoop)
            .channelInitializer { peer in
                peer.eventLoop.makeCompletedFuture { try peer.pipeline.syncOperations.addHandler(Copy(to: channel)) }
            }
            .connect(host: "127.0.0.1", port: target)
            .flatMapThrowing { peer in
                try channel.pipeline.syncOperations.addHandler(Copy(to: peer))
                state.withLockedValue { $0.peers.append(peer) }
            }
    }

    /// Writes to the other side what comes, and ends with it.
    private final class Copy: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let other: any Channel
        init(to other: any Channel) { self.other = other }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            other.writeAndFlush(unwrapInboundIn(data), promise: nil)
        }
        func channelInactive(context: ChannelHandlerContext) { other.close(promise: nil) }
    }

    var port: Int { listener.localAddress?.port ?? 0 }
    /// The connections that came, forwarded or not.
    var accepted: Int { state.withLockedValue { $0.accepted } }
    /// Forwards new connections to these ports; without one, they are closed.
    func follow(_ targets: [Int]) { state.withLockedValue { $0.targets = targets } }
    /// Ends the connection that was forwarded first, second and so on.
    func cut(_ number: Int) async throws { try await state.withLockedValue { $0.peers[number] }.close().get() }

    private func close() async {
        try? await listener.close().get()
        for peer in state.withLockedValue({ $0.peers }) { try? await peer.close().get() }
    }
}
