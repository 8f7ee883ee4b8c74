import MusterHTTP
import MusterProtocol
import MusterTestSupport
import TestSupport
import Testing

/// What a body may be, and what it may hold of the server.
@Suite struct BodyTests {
    @Test func aBodyOfFourMillionBytesIsAcceptedAndOneMoreIsNot() async throws {
        try await withStubRESTConnection { connection, _, stub in
            let small = stub.naming().utf8.count
            try await connection.send("POST", namePath, body: stub.naming("a", padding: 4_000_000 - small))
            #expect(try await connection.answer()?.status == 201)
            try await connection.send("POST", namePath, body: stub.naming("b", padding: 4_000_001 - small))
            let answer = try await connection.answer()
            #expect(answer?.status == 413 && answer?.closes == true)
            #expect(answer?.names(Limits.restBody, as: 4_000_000) == true, "\(answer?.body ?? "")")
            #expect(stub.named == ["a"])
        }
    }

    @Test func aTooLargeContentLengthIsRefusedBeforeTheBody() async throws {
        try await withStubRESTConnection { connection, _, _ in
            try await connection.send("POST", namePath, headers: ["Content-Length: 10000000000"])
            #expect(try await connection.answer()?.status == 413)
            #expect(await connection.closes())
        }
    }

    @Test func aClientThatSendsTooMuchCanReadTheResponse() async throws {
        try await withStubRESTConnection { connection, _, _ in
            try await connection.send("POST", namePath, headers: ["Content-Length: 20000000"])
            // Goes on sending while the server has answered already.
            for _ in 0..<50 { try? await connection.send(String(repeating: " ", count: 64 << 10)) }
            #expect(try await connection.answer()?.status == 413)
            #expect(await connection.closes())
            #expect(!connection.wasReset)
        }
    }

    @Test func aChunkedBodyIsRefusedAtTheLimit() async throws {
        var bounds = HTTPServerSettings.Bounds.quick
        bounds.body = 1_000
        try await withStubRESTConnection(bounds: bounds) { connection, _, stub in
            let body = stub.naming("a")
            try await connection.send("POST", namePath, headers: ["Transfer-Encoding: chunked"])
            for character in body { try await connection.send("1\r\n\(character)\r\n") }
            try await connection.send("0\r\n\r\n")
            #expect(try await connection.answer()?.status == 201)
            try await connection.send("POST", namePath, headers: ["Transfer-Encoding: chunked"])
            try await connection.send("3E9\r\n\(String(repeating: " ", count: 1_001))")
            #expect(try await connection.answer()?.status == 413)
            #expect(await connection.closes())
            #expect(stub.named == ["a"])
        }
    }

    @Test func unauthenticatedRequestsShareABudget() async throws {
        var bounds = HTTPServerSettings.Bounds.quick
        bounds.unauthenticatedBodies = 100_000
        try await withStubREST(bounds: bounds) { server, stub in
            let first = try await RawHTTP(port: server.port)
            try await first.send("POST", namePath, headers: ["Content-Length: 90001"])
            try await first.send(String(repeating: " ", count: 90_000))
            #expect(await eventually { server.unauthenticatedBodyBytes == 90_000 })
            let second = try await RawHTTP(port: server.port)
            try await second.send("POST", namePath, body: stub.naming("b", padding: 20_000))
            let refused = try await second.answer()
            #expect(refused?.status == 503 && refused?.headers["retry-after"] == "1")
            #expect(refused?.names(Limits.restUnauthenticatedBodies, as: 100_000) == true, "\(refused?.body ?? "")")
            // One that has room is served meanwhile.
            let third = try await RawHTTP(port: server.port)
            try await third.send("POST", namePath, body: stub.naming("c"))
            #expect(try await third.answer()?.status == 201)
            await first.close()
            #expect(await eventually { server.unauthenticatedBodyBytes == 0 })
            try await third.send("POST", namePath, body: stub.naming("d", padding: 90_000))
            #expect(try await third.answer()?.status == 201)
            #expect(server.unauthenticatedBodyBytes == 0)
            #expect(stub.named == ["c", "d"])
            for connection in [second, third] { await connection.close() }
        }
    }

    @Test func authenticatedRequestsShareAnotherBudget() async throws {
        var bounds = HTTPServerSettings.Bounds.quick
        (bounds.unauthenticatedBodies, bounds.bodies) = (1_000, 100_000)
        try await withStubREST(bounds: bounds) { server, stub in
            let bearer = "Authorization: Bearer \(stub.serviceKey)"
            let first = try await RawHTTP(port: server.port)
            try await first.send("POST", "/users/track", headers: [bearer, "Content-Length: 90001"])
            try await first.send(String(repeating: " ", count: 90_000))
            #expect(
                await eventually { server.authenticatedBodyBytes == 90_000 && server.unauthenticatedBodyBytes == 0 })
            let second = try await RawHTTP(port: server.port)
            try await second.send(
                "POST", "/users/track", headers: [bearer], body: String(repeating: " ", count: 20_000))
            let refused = try await second.answer()
            #expect(refused?.status == 503 && refused?.headers["retry-after"] == "1")
            #expect(refused?.names(Limits.restBodies, as: 100_000) == true, "\(refused?.body ?? "")")
            // Unauthenticated requests have their own budget.
            let partner = try await RawHTTP(port: server.port)
            try await partner.send("POST", namePath, body: stub.naming("c"))
            #expect(try await partner.answer()?.status == 201)
            await first.close()
            #expect(await eventually { server.authenticatedBodyBytes == 0 })
            for connection in [second, partner] { await connection.close() }
        }
    }

    @Test func anAuthenticatedRequestLeavesTheUnauthenticatedBudget() async throws {
        try await withStubRESTConnection { connection, server, stub in
            try await connection.send("POST", importPath, body: stub.importing("a"))
            #expect(await eventually { stub.gates.arrived == ["a"] })
            #expect(await eventually { server.unauthenticatedBodyBytes == 0 })
            stub.gates.open("a")
            #expect(try await connection.answer()?.status == 201)
        }
    }

    @Test func theContentTypeIsIgnored() async throws {
        try await withStubRESTConnection { connection, _, stub in
            for type in ["Content-Type: text/plain", "Content-Encoding: identity", "X: y"] {
                try await connection.send("POST", namePath, headers: [type], body: stub.naming())
                #expect(try await connection.answer()?.status == 201)
            }
        }
    }

    @Test func expect100ContinueIsAnswered() async throws {
        try await withStubRESTConnection { connection, _, stub in
            let body = stub.naming()
            let length = "Content-Length: \(body.utf8.count)"
            try await connection.send("POST", namePath, headers: ["Expect: 100-continue", length])
            #expect(try await connection.answer()?.status == 100)
            try await connection.send(body)
            #expect(try await connection.answer()?.status == 201)
            try await connection.send(
                "POST", namePath, headers: ["Expect: 100-continue", "Content-Length: 5000000"])
            #expect(try await connection.answer()?.status == 413)
        }
    }

    @Test func aBodyThatEndsEarlyHasNoEffect() async throws {
        try await withStubRESTConnection { connection, server, stub in
            try await connection.send("POST", namePath, headers: ["Content-Length: 5000"])
            try await connection.send(stub.naming())
            try await connection.finishSending()
            #expect(try await connection.answer()?.status == 400)
            #expect(await connection.closes())
            #expect(stub.named == [] && server.unauthenticatedBodyBytes == 0)
        }
    }
}
