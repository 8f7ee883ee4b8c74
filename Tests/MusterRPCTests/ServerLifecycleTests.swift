import MusterHandlers
import MusterListener
import MusterProtocol
import MusterRPC
import MusterTestSupport
import ServiceLifecycle
import TestSupport
import Testing

/// How a server begins, lets go of its connections, and ends.
@Suite struct ServerLifecycleTests {
    @Test func aDrainFinishesRequestsInFlightAndRefusesNewOnes() async throws {
        try await withStubConnection { connection, server, stub in
            try await connection.send(request(2, "test.wait", "{\"name\":\"a\"}"))
            #expect(await eventually { stub.gates.arrived == ["a"] })
            let idle = try await RawConnection(port: server.port)
            try await idle.open()
            let drain = Task { await server.drain() }
            #expect(try await idle.rest() == [.goaway(lastID: 1, reason: "shutting down")])
            #expect(try await connection.next() == .goaway(lastID: 2, reason: "shutting down"))
            try await connection.send(request(3, "test.echo", "{\"text\":\"\"}"))
            #expect(try await connection.next()?.code == .unavailable)
            await #expect(throws: (any Error).self) { try await RawConnection(port: server.port) }
            stub.gates.open("a")
            #expect(try await connection.rest() == [.reply(id: 2, body: "{}")])
            await drain.value
            #expect(stub.attempts == 0)
        }
    }

    @Test func aDrainEndsInTime() async throws {
        var bounds = RPCServerSettings.Bounds.quick
        bounds.drain = .milliseconds(100)
        try await withStubConnection(bounds: bounds) { connection, server, stub in
            try await connection.send(request(2, "test.wait", "{\"name\":\"a\"}"))
            #expect(await eventually { stub.gates.arrived == ["a"] })
            await server.drain()
            #expect(server.status.connections == 0)
            #expect(await eventually { stub.gates.cancelled == ["a"] })
        }
    }

    @Test func aGracefulShutdownDrains() async throws {
        let stub = StubHandlers()
        let server = RPCServer(
            settings: .init(listener: .init(port: 0, allowPlaintext: true)), router: stub.router, logger: quietLogger)
        try await server.start()
        let group = ServiceGroup(services: [server], logger: quietLogger)
        let running = Task { try await group.run() }
        let connection = try await RawConnection(port: server.port)
        try await connection.open()
        try await connection.send(request(2, "test.wait", "{\"name\":\"a\"}"))
        #expect(await eventually { stub.gates.arrived == ["a"] })
        await group.triggerGracefulShutdown()
        #expect(try await connection.next() == .goaway(lastID: 2, reason: "shutting down"))
        stub.gates.open("a")
        #expect(try await connection.rest() == [.reply(id: 2, body: "{}")])
        try await running.value
    }

    @Test func aTakenPortIsReported() async throws {
        try await withStubServer { server, _ in
            let port = server.port
            let second = RPCServer(
                settings: .init(listener: .init(port: port, allowPlaintext: true)), router: StubHandlers().router,
                logger: quietLogger)
            await #expect(throws: ListenerError.addressInUse(host: "127.0.0.1", port: port)) {
                try await second.start()
            }
        }
    }

    @Test func plaintextMustBeAllowed() async throws {
        let server = RPCServer(
            settings: .init(listener: .init(port: 0)), router: StubHandlers().router, logger: quietLogger)
        await #expect(throws: ListenerError.plaintextNotAllowed) { try await server.start() }
    }

    @Test func endedSessionsAreClosedAndOthersGoOn() async throws {
        try await withStubConnection { good, server, stub in
            let leaked = try await RawConnection(port: server.port)
            try await leaked.open(key: "leaked")
            try await leaked.send(request(2, "test.wait", "{\"name\":\"a\"}"))
            #expect(await eventually { stub.gates.arrived == ["a"] })
            server.endSessions { $0.keyID == "leaked" }
            #expect(try await leaked.rest() == [.goaway(lastID: 2, reason: "key invalidated")])
            #expect(await eventually { stub.gates.cancelled == ["a"] })
            try await good.send("{\"ping\":1}")
            #expect(try await good.next() == .pong(1))
            #expect(await eventually { server.status.connections == 1 })
        }
    }

    @Test func closedConnectionsLeaveNothingBehind() async throws {
        try await withStubServer { server, stub in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<8 {
                    group.addTask {
                        for round in 0..<250 {
                            let connection = try await RawConnection(port: server.port)
                            switch (worker + round) % 4 {
                            case 0: break
                            case 1: try? await connection.send([0])
                            case 2: try? await connection.send([0, 0, 0, 0])
                            default: try? await connection.send(request(1, "session.open", "{\"key\":\"good\"}"))
                            }
                            await connection.close()
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(await eventually { server.status == .init(connections: 0, requestsInFlight: 0) })
            let connection = try await RawConnection(port: server.port)
            try await connection.open()
            await connection.close()
        }
    }

    @Test func aClosedConnectionHasItsCallsCancelled() async throws {
        try await withStubConnection { connection, server, stub in
            try await connection.send(request(2, "test.wait", "{\"name\":\"a\"}"))
            #expect(await eventually { stub.gates.arrived == ["a"] })
            await connection.close()
            #expect(await eventually { stub.gates.cancelled == ["a"] })
            #expect(await eventually { server.status == .init(connections: 0, requestsInFlight: 0) })
        }
    }
}
