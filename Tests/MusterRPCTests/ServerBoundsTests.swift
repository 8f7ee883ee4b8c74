import MusterProtocol
import MusterRPC
import MusterTestSupport
import NIOCore
import TestSupport
import Testing

/// What one peer can take, in requests, in time and in memory.
@Suite struct ServerBoundsTests {
    @Test func aCancelledCallEndsWithCancelled() async throws {
        try await withStubConnection { connection, server, stub in
            try await connection.send(request(2, "test.wait", "{\"name\":\"a\"}"))
            #expect(await eventually { stub.gates.arrived == ["a"] })
            try await connection.send(
                "{\"cancel\":2}", "{\"cancel\":2}", "{\"cancel\":99}", request(3, "test.echo", "{\"text\":\"\"}"))
            #expect(try await connection.next()?.code == .cancelled)
            #expect(try await connection.next()?.id == 3)
            #expect(await eventually { stub.gates.cancelled == ["a"] && server.status.requestsInFlight == 0 })
        }
    }

    @Test func aDeadlineEndsACall() async throws {
        try await withStubConnection { connection, server, stub in
            try await connection.send(
                request(2, "test.wait", "{\"name\":\"a\"}", deadline: 5_000),
                request(3, "test.wait", "{\"name\":\"b\"}", deadline: 50))
            let frame = try await connection.next()
            #expect(frame?.id == 3)
            #expect(frame?.code == .deadlineExceeded)
            #expect(await eventually { stub.gates.cancelled == stub.gates.arrived.filter { $0 == "b" } })
            stub.gates.open("a")
            #expect(try await connection.next()?.id == 2)
            #expect(await eventually { server.status.requestsInFlight == 0 })
        }
    }

    @Test func readingStopsWhenEnoughIsInFlight() async throws {
        try await withStubConnection { connection, server, stub in
            let waits = (2...201).map { request($0, "test.wait", "{\"name\":\"\($0)\"}") }
            try await connection.send((waits + ["{\"ping\":7}"]).flatMap(framed))
            #expect(await eventually { stub.gates.arrived.count == 128 })
            try await Task.sleep(for: .milliseconds(100))
            #expect(stub.gates.arrived.count == 128)
            #expect(server.status.requestsInFlight == 128)
            #expect(connection.bytesReceived < 150)  // nothing but the answer of session.open: the ping stands behind
            stub.gates.open("2")
            #expect(try await connection.next()?.id == 2)
            #expect(await eventually { stub.gates.arrived.count == 129 })
            for id in 3...201 { stub.gates.open("\(id)") }
            let frames = try await connection.next(200)
            #expect(Set(frames.compactMap(\.id)) == Set(3...201))
            #expect(frames.contains(.pong(7)))
        }
    }

    @Test func theLimitOfAKeyCoversAllItsConnections() async throws {
        try await withStubConnection(stub: StubHandlers(maxInFlightPerKey: 2)) { first, server, stub in
            let second = try await RawConnection(port: server.port)
            try await second.open()
            let other = try await RawConnection(port: server.port)
            try await other.open(key: "other")
            try await first.send(request(2, "test.wait", "{\"name\":\"a\"}"))
            try await second.send(request(2, "test.wait", "{\"name\":\"b\"}"))
            #expect(await eventually { stub.gates.arrived.count == 2 })
            try await first.send(request(3, "test.echo", "{\"text\":\"\"}"))
            guard case .error(3, let error)? = try await first.next() else { throw TookTooLong() }
            #expect(error.code == .resourceExhausted)
            #expect(error.details.integer("retry_after_ms") == 100)
            #expect(error.names(Limits.requestsInFlightPerKey, as: 2), "\(error)")
            #expect(error.message.contains("2 requests in flight"))
            try await other.send(request(2, "test.echo", "{\"text\":\"\"}"))
            #expect(try await other.next()?.code == nil)
            stub.gates.openAll()
            #expect(try await first.next()?.id == 2)
            try await first.send(request(4, "test.echo", "{\"text\":\"\"}"))
            #expect(try await first.next() == .reply(id: 4, body: "{\"text\":\"\"}"))
            for connection in [second, other] { await connection.close() }
        }
    }

    @Test func aSurplusConnectionGetsAnError() async throws {
        var bounds = RPCServerSettings.Bounds.quick
        bounds.connections = 1
        try await withStubConnection(bounds: bounds) { first, server, _ in
            let second = try await RawConnection(port: server.port)
            guard case .error(0, let error)? = try await second.rest().first else { throw TookTooLong() }
            #expect(error.code == .resourceExhausted)
            #expect(error.details.integer("retry_after_ms") == 1_000)
            #expect(error.names(Limits.connections, as: 1), "\(error)")
            #expect(error.message.contains("1 connections"))
            try await first.send("{\"ping\":1}")
            #expect(try await first.next() == .pong(1))
        }
    }

    @Test(arguments: ["{\"cancel\":7}", "{\"ping\":7}", "{\"id\":7,\"method\":\"x\",\"body\":7}"])
    func aFloodEndsTheConnection(message: String) async throws {
        try await withStubConnection { connection, _, _ in
            try await connection.send(Array(repeating: framed(message), count: 300).flatMap { $0 })
            let frames = try await connection.rest()
            #expect(frames.last == .goaway(lastID: 1, reason: "too many cancels, pings or wrong messages"))
            #expect(frames.count <= 202)
        }
    }

    @Test func aConnectionThatOpensNoSessionIsClosed() async throws {
        var bounds = RPCServerSettings.Bounds.quick
        bounds.open = .milliseconds(100)
        try await withStubConnection(bounds: bounds, open: false) { connection, _, stub in
            let frames = try await connection.rest()
            #expect(frames.map(\.code) == [.deadlineExceeded])
        }
        bounds.open = .seconds(1)
        try await withStubConnection(bounds: bounds, open: false) { connection, _, stub in
            try await connection.send(request(1, "session.open", "{\"key\":\"slow\"}"))
            let frames = try await connection.rest()
            #expect(frames.map(\.code) == [.deadlineExceeded])
            #expect(await eventually { stub.gates.cancelled == ["open"] })
        }
    }

    @Test func anIdleConnectionIsClosed() async throws {
        var bounds = RPCServerSettings.Bounds.quick
        bounds.idle = .milliseconds(200)
        try await withStubConnection(bounds: bounds) { connection, _, _ in
            let frames = try await connection.rest()
            #expect(frames == [.goaway(lastID: 1, reason: "idle")])
        }
    }

    @Test func aSilentConnectionIsPingedAndThenClosed() async throws {
        var bounds = RPCServerSettings.Bounds.quick
        bounds.silence = .milliseconds(100)
        bounds.pong = .milliseconds(1_500)
        try await withStubConnection(bounds: bounds) { connection, _, _ in
            #expect(try await connection.next() == .ping(1))
            try await connection.send("{\"pong\":1}")
            #expect(try await connection.next() == .ping(1))
            #expect(try await connection.next() == nil)
        }
    }

    @Test func aFrameThatNeverEndsIsClosed() async throws {
        var bounds = RPCServerSettings.Bounds.quick
        bounds.frame = .milliseconds(1_000)
        try await withStubConnection(bounds: bounds) { connection, _, _ in
            try await connection.send([0, 0, 0, 1, 0, 0x7B])
            let frames = try await connection.rest()
            #expect(frames.map(\.code) == [.deadlineExceeded])
            guard case .error(_, let error)? = frames.first else { return }
            #expect(error.message == "the rest of a frame did not come within 1 seconds (frame_seconds)")
            #expect(error.details == .init(of: Limits.frameSeconds.set(to: 1)))
        }
    }

    @Test func aConnectionThatDoesNotReadIsClosed() async throws {
        var bounds = RPCServerSettings.Bounds.quick
        bounds.unread = .milliseconds(200)
        try await withStubServer(bounds: bounds) { server, stub in
            let connection = try await RawConnection(port: server.port, reads: false)
            try await connection.send(request(1, "session.open", "{\"key\":\"good\"}"))
            let text = String(repeating: "x", count: 100_000)
            let frames = (2...120).flatMap { framed(request($0, "test.echo", "{\"text\":\"\(text)\"}")) }
            connection.channel.writeAndFlush(ByteBuffer(bytes: frames), promise: nil)
            #expect(await eventually { server.status.connections == 0 })
            #expect(stub.attempts < 119)
            await connection.close()
        }
    }
}
