import MusterHandlers
import MusterListener
import MusterMetrics
import MusterProtocol
import MusterRPC
import MusterTestSupport
import TestSupport
import Testing

/// Every reply is counted, whichever layer sends it.
@Suite struct CountedAnswerTests {
    /// Answers by code, `OK` for replies.
    private func counted(_ metrics: CallMetrics) -> [String: Int] {
        var page = Exposition()
        metrics.write(to: &page)
        let prefix = #"muster_rpc_answers_total{code=""#
        let lines = page.text.split(separator: "\n").filter { $0.hasPrefix(prefix) }
        return Dictionary(
            uniqueKeysWithValues: lines.map { line in
                let parts = line.dropFirst(prefix.count).split(separator: "\"} ")
                return (String(parts[0]), Int(parts[1]) ?? -1)
            })
    }

    /// What came back, by code.
    private struct Received {
        var counts: [String: Int] = [:]

        mutating func take(_ frames: [Frame]) {
            for frame in frames {
                switch frame {
                case .reply: counts["OK", default: 0] += 1
                case .error(_, let error): counts[error.code.rawValue, default: 0] += 1
                default: break
                }
            }
        }
    }

    private func with(
        _ bounds: RPCServerSettings.Bounds, _ body: (RPCServer, StubHandlers, CallRouter) async throws -> Void
    ) async throws {
        let stub = StubHandlers(maxInFlightPerKey: 2)
        let router = stub.router
        let server = RPCServer(
            settings: .init(listener: .init(port: 0, allowPlaintext: true), bounds: bounds), router: router,
            logger: quietLogger)
        try await server.start()
        let result: Result<Void, any Error>
        do { result = .success(try await body(server, stub, router)) } catch { result = .failure(error) }
        await server.abortNow()
        try result.get()
    }

    @Test func eachRefusalIsCountedByTheCodeThatIsSent() async throws {
        try await with(.quick) { server, stub, router in
            var received = Received()
            let connection = try await RawConnection(port: server.port)
            try await connection.open()
            received.counts["OK"] = 1
            // Of calls: a reply, an unknown method, an unreadable call, a missing body, and a failure.
            try await connection.send(
                request(2, "test.echo", #"{"text":""}"#), request(3, "test.nothing"),
                request(4, "test.echo", #"{"txt":""}"#), #"{"id":5,"method":"test.echo"}"#,
                request(6, "test.fail", #"{"code":"ABORTED","times":9,"safe":true}"#))
            // Of messages: a second session, none at all, and an answer from a client.
            try await connection.send(
                request(7, "session.open", #"{"key":"good"}"#), #"{"id":8,"body":{}}"#,
                #"{"id":9,"error":{"code":"ABORTED","message":""}}"#)
            received.take(try await connection.next(8))
            // Of what is in flight: beyond the key's bound, past its deadline, and cancelled.
            try await connection.send(
                request(10, "test.wait", #"{"name":"a"}"#, deadline: 300), request(11, "test.wait", #"{"name":"b"}"#))
            #expect(await eventually { stub.gates.arrived.count == 2 })
            try await connection.send(request(12, "test.echo", #"{"text":""}"#), #"{"cancel":11}"#)
            received.take(try await connection.next(3))
            // Of connections: one with a bad key, and one with a frame that is too long.
            for message in [framed(request(1, "session.open", #"{"key":"bad"}"#)), [0, 0xFF, 0xFF, 0xFF, 0xFF]] {
                let unauthenticated = try await RawConnection(port: server.port)
                try await unauthenticated.send(message)
                received.take(try await unauthenticated.rest())
                await unauthenticated.close()
            }
            #expect(received.counts.values.reduce(0, +) == 14)
            for code in [.resourceExhausted, .deadlineExceeded, .cancelled, .unauthenticated] as [RPCCode] {
                #expect(received.counts[code.rawValue] != nil, "\(code)")
            }
            #expect(counted(router.metrics) == received.counts)
        }
    }

    @Test func surplusConnectionsAndCallsAfterGoawayAreCounted() async throws {
        var bounds = RPCServerSettings.Bounds.quick
        bounds.connections = 1
        try await with(bounds) { server, stub, router in
            var received = Received()
            let connection = try await RawConnection(port: server.port)
            try await connection.open()
            received.counts["OK"] = 1
            let second = try await RawConnection(port: server.port)
            received.take(try await second.rest())
            try await connection.send(request(2, "test.wait", #"{"name":"a"}"#))
            #expect(await eventually { stub.gates.arrived == ["a"] })
            let drain = Task { await server.drain() }
            #expect(try await connection.next() == .goaway(lastID: 2, reason: "shutting down"))
            try await connection.send(request(3, "test.echo", #"{"text":""}"#))
            received.take(try await connection.next(1))
            stub.gates.open("a")
            received.take(try await connection.rest())
            await drain.value
            #expect(received.counts == ["OK": 2, "RESOURCE_EXHAUSTED": 1, "UNAVAILABLE": 1])
            #expect(counted(router.metrics) == received.counts)
            for connection in [connection, second] { await connection.close() }
        }
    }

    /// The documented alert looks at calls, too.
    @Test func aCallOverTheLimitOfItsKeyIsCountedAsRefused() async throws {
        try await with(.quick) { server, stub, router in
            let connection = try await RawConnection(port: server.port)
            try await connection.open()
            let waits = (2...5).map { request($0, "test.wait", "{\"name\":\"\($0)\"}") }
            try await connection.send(waits.flatMap(framed))
            #expect(try await connection.next(2).map(\.code) == [.resourceExhausted, .resourceExhausted])
            var page = Exposition()
            router.metrics.write(to: &page)
            #expect(
                page.text.contains(#"muster_requests_total{wire="rpc",method="other",code="RESOURCE_EXHAUSTED"} 2"#))
            stub.gates.openAll()
        }
    }
}
