import MusterListener
import MusterTestSupport
import NIOConcurrencyHelpers
import NIOCore
import TestSupport
import Testing

@testable import MusterRPC

/// What leaves together: each write is a call of the system.
@Suite struct WriteTests {
    private final class WriteCounter: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer
        private let writes: NIOLockedValueBox<Int>

        init(_ writes: NIOLockedValueBox<Int>) { self.writes = writes }

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            writes.withLockedValue { $0 += 1 }
            context.write(data, promise: promise)
        }
    }

    /// Pings and direct calls are answered while the batch is read; other calls after it, by tasks of their own.
    @Test(arguments: [
        (2...9).map { "{\"ping\":\($0)}" }, (2...9).map { request($0, "test.direct.echo", "{\"text\":\"\"}") },
        (2...9).map { request($0, "test.echo", "{\"text\":\"\"}") },
    ])
    func theRepliesOfAReadBatchLeaveInOneWrite(messages: [String]) async throws {
        try await withCountedWrites { client, writes, _ in
            try await client.send(messages.flatMap(framed))
            #expect(try await client.next(messages.count).count == messages.count)
            #expect(writes.withLockedValue { $0 } == 2)
        }
    }

    /// The last of these calls begins when the batch has made room for it.
    @Test func theAnswersOfABatchLeaveInOneWrite() async throws {
        var bounds = RPCServerSettings.Bounds.quick
        bounds.requestsInFlight = 7
        try await withCountedWrites(bounds) { client, writes, stub in
            let waits = (2...8).map { request($0, "test.direct.wait", "{\"name\":\"\($0)\"}") }
            try await client.send((waits + [request(9, "test.direct.echo", "{\"text\":\"\"}")]).flatMap(framed))
            #expect(await eventually { stub.waits.names.count == 7 })
            stub.waits.answer()
            #expect(try await client.next(8).compactMap(\.id) == Array(2...9))
            #expect(writes.withLockedValue { $0 } == 2)
        }
    }

    private func withCountedWrites(
        _ bounds: RPCServerSettings.Bounds = .quick,
        _ body: (RawConnection, NIOLockedValueBox<Int>, StubHandlers) async throws -> Void
    ) async throws {
        let writes = NIOLockedValueBox(0)
        let stub = StubHandlers()
        let shared = ServerContext(router: stub.router, bounds: bounds, logger: quietLogger)
        let listener = Listener(name: "RPC", settings: .init(port: 0, allowPlaintext: true), logger: quietLogger)
        try await listener.start { channel, address in
            let connection = RPCConnection(
                server: shared, eventLoop: EventLoopContext(channel.eventLoop), answers: shared.answers.open {})
            _ = try shared.connections.add(connection, of: channel, from: address)
            try channel.pipeline.syncOperations.addHandlers([WriteCounter(writes), connection])
        }
        let client = try await RawConnection(port: listener.boundPort ?? 0)
        try await client.open()
        #expect(writes.withLockedValue { $0 } == 1)
        try await body(client, writes, stub)
        await client.close()
        await listener.stop()
        await shared.connections.abort()
    }
}
