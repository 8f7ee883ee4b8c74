import MusterHandlers
import MusterListener
import MusterMetrics
import MusterProtocol
import MusterRPC
import MusterTestSupport
import Synchronization
import TestSupport
import Testing

/// Calls that are answered on their event loop, without a task, keep the rules of all calls.
@Suite struct DirectCallTests {
    private func wait(_ id: Int, _ name: String, deadline: Int? = nil) -> String {
        request(id, DirectWaitCall.method, "{\"name\":\"\(name)\"}", deadline: deadline)
    }

    private func echo(_ id: Int, _ text: String) -> String {
        request(id, DirectEchoCall.method, "{\"text\":\"\(text)\"}")
    }

    @Test func callsAreAnsweredAtOnceOrLater() async throws {
        try await withStubConnection { connection, server, stub in
            try await connection.send(wait(2, "a"), wait(3, "b"), echo(4, "on"))
            #expect(try await connection.next() == .reply(id: 4, body: "{\"text\":\"on\"}"))
            #expect(stub.waits.names == ["a", "b"])
            #expect(server.status == .init(connections: 1, requestsInFlight: 2))
            stub.waits.answer(["b"])
            #expect(try await connection.next() == .reply(id: 3, body: "{}"))
            stub.waits.answer()
            #expect(try await connection.next() == .reply(id: 2, body: "{}"))
            #expect(server.status == .init(connections: 1, requestsInFlight: 0))
        }
    }

    @Test func anErrorThatIsNotForTheCallerIsInternal() async throws {
        try await withStubConnection { connection, _, _ in
            try await connection.send(echo(2, "fail"), echo(3, "on"))
            #expect(try await connection.next(2).map(\.code) == [.internal, nil])
        }
    }

    @Test func aCancelledCallIsAnsweredOnceAndCountedUntilItsEnd() async throws {
        try await withStubConnection { connection, server, stub in
            try await connection.send(wait(2, "a"), wait(3, "b"))
            try await connection.send("{\"cancel\":2}")
            let answer = try await connection.next()
            #expect(answer?.id == 2 && answer?.code == .cancelled)
            #expect(server.status.requestsInFlight == 2)
            stub.waits.answer()
            #expect(try await connection.next() == .reply(id: 3, body: "{}"))
            try await connection.send("{\"cancel\":3}", "{\"ping\":1}")
            #expect(try await connection.next() == .pong(1))
            #expect(server.status.requestsInFlight == 0)
        }
    }

    @Test func aCallThatMissesItsDeadlineIsAnsweredOnce() async throws {
        try await withStubConnection { connection, server, stub in
            try await connection.send(wait(2, "a", deadline: 50), wait(3, "b"))
            let answer = try await connection.next(within: 2)
            #expect(answer?.id == 2 && answer?.code == .deadlineExceeded)
            stub.waits.answer()
            #expect(try await connection.next() == .reply(id: 3, body: "{}"))
            #expect(server.status.requestsInFlight == 0)
        }
    }

    @Test func anIDIsFreeAgainWhenItsCallHasEnded() async throws {
        try await withStubConnection { connection, _, stub in
            try await connection.send(echo(2, "a"), echo(2, "b"), wait(2, "c"))
            #expect(try await connection.next(2).map(\.id) == [2, 2])
            #expect(await eventually { stub.waits.names == ["c"] })
            stub.waits.answer()
            #expect(try await connection.next() == .reply(id: 2, body: "{}"))
            try await connection.send(wait(2, "d"))
            #expect(await eventually { stub.waits.names == ["d"] })
            try await connection.send(echo(2, "e"))
            let frames = try await connection.rest()
            #expect(frames.map(\.code) == [.invalidArgument])
            stub.waits.answer()
        }
    }

    @Test func aClosedConnectionCountsItsCallsUntilTheirEnd() async throws {
        let stub = StubHandlers(maxInFlightPerKey: 2)
        try await withStubConnection(stub: stub) { connection, server, stub in
            let other = try await RawConnection(port: server.port)
            try await other.open()
            try await other.send(wait(2, "a"), wait(3, "b"))
            #expect(await eventually { stub.waits.names == ["a", "b"] })
            try await connection.send(echo(2, "on"))
            #expect(try await connection.next()?.code == .resourceExhausted)
            await other.close()
            #expect(await eventually { server.status.connections == 1 })
            #expect(server.status.requestsInFlight == 2)
            try await connection.send(echo(3, "on"))
            #expect(try await connection.next()?.code == .resourceExhausted)
            stub.waits.answer()
            #expect(await eventually { server.status.requestsInFlight == 0 })
            try await connection.send(echo(4, "on"))
            #expect(try await connection.next() == .reply(id: 4, body: "{\"text\":\"on\"}"))
        }
    }

    @Test func aFullConnectionGoesOnWhenACallEnds() async throws {
        var bounds = RPCServerSettings.Bounds.quick
        bounds.requestsInFlight = 2
        try await withStubConnection(bounds: bounds) { connection, _, stub in
            try await connection.send(wait(2, "a"), wait(3, "b"), echo(4, "on"), wait(5, "c"))
            #expect(await eventually { stub.waits.names == ["a", "b"] })
            stub.waits.answer(["a"])
            #expect(try await connection.next(2).map(\.id) == [2, 4])
            #expect(await eventually { stub.waits.names == ["b", "c"] })
            stub.waits.answer()
            #expect(Set(try await connection.next(2).compactMap(\.id)) == [3, 5])
        }
    }

    @Test func aDrainFinishesCallsInFlight() async throws {
        try await withStubConnection { connection, server, stub in
            try await connection.send(wait(2, "a"))
            #expect(await eventually { stub.waits.names == ["a"] })
            let drain = Task { await server.drain() }
            #expect(try await connection.next() == .goaway(lastID: 2, reason: "shutting down"))
            try await connection.send(echo(3, "on"))
            #expect(try await connection.next()?.code == .unavailable)
            stub.waits.answer()
            #expect(try await connection.rest() == [.reply(id: 2, body: "{}")])
            await drain.value
            #expect(server.status == .init(connections: 0, requestsInFlight: 0))
        }
    }

    @Test func callsOfAnEndedSessionGetNoReply() async throws {
        try await withStubConnection { connection, server, stub in
            try await connection.send(wait(2, "a"))
            #expect(await eventually { stub.waits.names == ["a"] })
            server.endSessions { _ in true }
            #expect(await eventually { connection.isClosed })
            stub.waits.answer()
            #expect(try await connection.rest() == [.goaway(lastID: 2, reason: "key invalidated")])
            #expect(await eventually { server.status == .init(connections: 0, requestsInFlight: 0) })
        }
    }

    @Test func aRevokedKeyIsRefused() async throws {
        let isRevoked = Flag()
        let stub = StubHandlers { _, _ throws(RPCError) in
            if isRevoked.isRaised { throw RPCError(.unauthenticated, "the key is not valid") }
            return .now
        }
        try await withStubConnection(stub: stub) { connection, _, stub in
            try await connection.send(echo(2, "on"))
            #expect(try await connection.next() == .reply(id: 2, body: "{\"text\":\"on\"}"))
            isRevoked.raise()
            try await connection.send(echo(3, "on"))
            #expect(try await connection.next()?.code == .unauthenticated)
            #expect(stub.attempts == 1)
        }
    }

    @Test func aCallWaitsForTheProofOfItsKey() async throws {
        try await withStubConnection(stub: StubHandlers { _, _ throws(RPCError) in nil }) { connection, server, stub in
            try await connection.send(echo(2, "on"), wait(3, "a"), echo(4, "off"))
            #expect(await eventually { server.status.requestsInFlight == 3 })
            try await connection.send("{\"cancel\":4}")
            #expect(try await connection.next()?.code == .cancelled)
            #expect(stub.attempts == 0 && stub.waits.names == [])
            stub.isProved.raise()
            #expect(await eventually { stub.waits.names == ["a"] })
            try await connection.send("{\"cancel\":3}")
            #expect(Set(try await connection.next(2).compactMap(\.id)) == [2, 3])
            #expect(await eventually { server.status.requestsInFlight == 0 })
            stub.waits.answer()
        }
    }

    /// Where there is no room for a large reply, its call waits for it in a task.
    @Test func largeRepliesAreMadeWithinTheBudget() async throws {
        var bounds = RPCServerSettings.Bounds.quick
        bounds.answersInMaking = 200_000
        try await withStubConnection(bounds: bounds) { connection, server, stub in
            let large = { (id: Int, name: String) in
                request(id, DirectWaitCall.method, "{\"name\":\"\(name)\",\"bytes\":150000}")
            }
            try await connection.send(large(2, "a"), large(3, "b"), echo(4, "on"))
            #expect(try await connection.next() == .reply(id: 4, body: "{\"text\":\"on\"}"))
            #expect(stub.waits.names == ["a"])
            #expect(server.answerBytes == 150_000)
            stub.waits.answer()
            #expect(try await connection.next()?.id == 2)
            #expect(await eventually { stub.waits.names == ["b"] })
            stub.waits.answer()
            #expect(try await connection.next()?.id == 3)
            #expect(await eventually { server.answerBytes == 0 })
        }
    }

    @Test func callsAreCountedByTheirCode() async throws {
        let stub = StubHandlers()
        let router = stub.router
        let server = RPCServer(
            settings: .init(listener: .init(port: 0, allowPlaintext: true)), router: router, logger: quietLogger)
        try await server.start()
        let connection = try await RawConnection(port: server.port)
        try await connection.open()
        try await connection.send(echo(2, "on"), echo(3, "fail"), wait(4, "a"), wait(5, "b"), "{\"cancel\":5}")
        _ = try await connection.next(3)
        stub.waits.answer()
        #expect(try await connection.next()?.id == 4)
        var page = Exposition()
        router.metrics.write(to: &page)
        for line in [
            #"muster_requests_total{wire="rpc",method="other",code="OK"} 2"#,
            #"muster_requests_total{wire="rpc",method="other",code="INTERNAL"} 1"#,
            #"muster_requests_total{wire="rpc",method="other",code="CANCELLED"} 1"#,
            #"muster_requests_in_flight{wire="rpc"} 0"#,
        ] { #expect(page.text.contains(line), "\(line)") }
        await connection.close()
        await server.abortNow()
    }
}
