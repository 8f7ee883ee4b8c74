import MusterHTTP
import MusterProtocol
import MusterTestSupport
import TestSupport
import Testing

/// One request after the other, and clients that stop, stall or go.
@Suite struct ConversationTests {
    @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
        try await withStubRESTConnection { connection, _, stub in
            let names = (0..<100).map { "c\($0)" }
            let requests = names.map { name in
                let body = stub.naming(name)
                return "POST \(namePath) HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            }
            try await connection.send(requests.joined())
            for _ in names { #expect(try await connection.answer()?.status == 201) }
            #expect(stub.named == names)
        }
    }

    @Test func aRequestMayArriveInSmallPieces() async throws {
        try await withStubRESTConnection { connection, _, stub in
            let body = stub.naming()
            let text = "POST \(namePath) HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            for byte in text { try await connection.send(String(byte)) }
            #expect(try await connection.answer()?.status == 201)
        }
    }

    @Test(arguments: ["Connection: close", "Connection: Upgrade\r\nUpgrade: websocket"])
    func connectionCloseIsHonoured(header: String) async throws {
        try await withStubRESTConnection { connection, _, stub in
            try await connection.send("POST", namePath, headers: [header], body: stub.naming())
            let answer = try await connection.answer()
            #expect(answer?.status == 201 && answer?.closes == true)
            #expect(await connection.closes())
        }
    }

    @Test func anHTTP10ClientIsAnsweredAndClosed() async throws {
        try await withStubRESTConnection { connection, _, stub in
            let body = stub.naming()
            try await connection.send(
                "POST \(namePath) HTTP/1.0\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
            #expect(try await connection.answer()?.status == 201)
            #expect(await connection.closes())
        }
    }

    @Test func aHalfClosedClientStillGetsTheResponse() async throws {
        try await withStubRESTConnection { connection, _, stub in
            try await connection.send("POST", importPath, body: stub.importing("a"))
            try await connection.finishSending()
            #expect(await eventually { stub.gates.arrived == ["a"] })
            stub.gates.open("a")
            #expect(try await connection.answer()?.status == 201)
            #expect(await connection.closes())
        }
    }

    @Test func aDisconnectCancelsTheRequest() async throws {
        try await withStubRESTConnection { connection, server, stub in
            try await connection.send("POST", importPath, body: stub.importing("a"))
            #expect(await eventually { stub.gates.arrived == ["a"] })
            #expect(server.status == .init(connections: 1, requestsInFlight: 1))
            await connection.close()
            #expect(await eventually { stub.gates.cancelled == ["a"] })
            #expect(await eventually { server.status == .init(connections: 0, requestsInFlight: 0) })
        }
    }

    @Test func theRequestsInFlightOfAKeyAreBounded() async throws {
        try await withStubREST(stub: StubREST(maxInFlightPerKey: 2)) { server, stub in
            var connections: [RawHTTP] = []
            for name in ["a", "b"] {
                connections.append(try await RawHTTP(port: server.port))
                try await connections.last?.send("POST", importPath, body: stub.importing(name))
                #expect(await eventually { stub.gates.arrived.contains(name) })
            }
            connections.append(try await RawHTTP(port: server.port))
            try await connections[2].send("POST", namePath, body: stub.naming())
            let refused = try await connections[2].answer()
            #expect(refused?.status == 429 && refused?.headers["retry-after"] == "1")
            let reset = try #require(refused?.headers["x-ratelimit-reset"].flatMap(Int64.init))
            #expect(abs(Instant.now.secondsSince1970 + 1 - reset) <= 1)
            stub.gates.open("a")
            #expect(try await connections[0].answer()?.status == 201)
            try await connections[2].send("POST", namePath, body: stub.naming())
            #expect(try await connections[2].answer()?.status == 201)
            for connection in connections { await connection.close() }
        }
    }

    @Test func aSurplusConnectionGetsAResponse() async throws {
        var bounds = HTTPServerSettings.Bounds.quick
        bounds.connections = 2
        try await withStubREST(bounds: bounds) { server, stub in
            let good = try await RawHTTP(port: server.port)
            let other = try await RawHTTP(port: server.port)
            // An unauthenticated connection would be closed for another one.
            for connection in [good, other] {
                try await connection.send("POST", namePath, body: stub.naming())
                #expect(try await connection.answer()?.status == 201)
            }
            #expect(server.status.connections == 2)
            let surplus = try await RawHTTP(port: server.port)
            try? await surplus.send("POST", namePath, body: stub.naming("lost"))
            let answer = try await surplus.answer()
            #expect(answer?.status == 503 && answer?.headers["retry-after"] == "1" && answer?.message != nil)
            #expect(answer?.names(Limits.connections, as: 2) == true, "\(answer?.body ?? "")")
            #expect(await surplus.closes())
            try await good.send("POST", namePath, body: stub.naming())
            #expect(try await good.answer()?.status == 201)
            await other.close()
            #expect(await eventually { server.status.connections == 1 })
            let next = try await RawHTTP(port: server.port)
            try await next.send("POST", namePath, body: stub.naming())
            #expect(try await next.answer()?.status == 201)
            #expect(!stub.named.contains("lost"))
            for connection in [good, surplus, next] { await connection.close() }
        }
    }

    @Test func idleUnauthenticatedConnectionsKeepNoClientOut() async throws {
        var bounds = HTTPServerSettings.Bounds.quick
        bounds.connections = 6
        bounds.unauthenticatedConnections = 3
        try await withStubREST(bounds: bounds) { server, stub in
            let good = try await RawHTTP(port: server.port)
            try await good.send("POST", namePath, body: stub.naming())
            #expect(try await good.answer()?.status == 201)
            var unauthenticated: [RawHTTP] = []
            for number in 0..<8 {
                unauthenticated.append(try await RawHTTP(port: server.port))
                // It is in line before the next one comes: event loops take connections in at the same time.
                let all = unauthenticated
                #expect(
                    await eventually {
                        number < 3 ? server.status.connections == number + 2 : all[number - 3].isClosed
                    })
            }
            #expect(
                await eventually {
                    unauthenticated.map(\.isClosed) == [true, true, true, true, true, false, false, false]
                })
            // A request with an invalid key leaves its connection unauthenticated.
            try await unauthenticated[5].send(
                "POST", namePath, body: stub.naming().replacing(stub.key, with: "wrong"))
            #expect(try await unauthenticated[5].answer()?.status == 401)
            let newcomer = try await RawHTTP(port: server.port)
            #expect(await unauthenticated[5].closes())
            for connection in [good, newcomer] {
                try await connection.send("POST", namePath, body: stub.naming())
                #expect(try await connection.answer()?.status == 201)
            }
            for connection in unauthenticated + [good, newcomer] { await connection.close() }
        }
    }
}
