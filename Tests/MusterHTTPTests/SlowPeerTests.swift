import HTTPTypes
import HummingbirdCore
import MusterHTTP
import MusterListener
import MusterProtocol
import MusterTestSupport
import NIOCore
import TestSupport
import Testing

/// Clients that send or read too slowly and hold memory meanwhile.
@Suite struct SlowPeerTests {
    private func bounds(_ change: (inout HTTPServerSettings.Bounds) -> Void) -> HTTPServerSettings.Bounds {
        var bounds = HTTPServerSettings.Bounds.quick
        change(&bounds)
        return bounds
    }

    @Test func aSlowHeaderIsAborted() async throws {
        try await withStubREST(bounds: bounds { $0.head = .milliseconds(200) }) { server, stub in
            let silent = try await RawHTTP(port: server.port)
            let dribbling = try await RawHTTP(port: server.port)
            let served = try await RawHTTP(port: server.port)
            try await served.send("POST", namePath, body: stub.naming())
            #expect(try await served.answer()?.status == 201)
            try await served.send("P")
            for character in "POST / HTTP/1.1\r\nHost: a" {
                try? await dribbling.send(String(character))
                try await Task.sleep(for: .milliseconds(20))
            }
            for connection in [silent, dribbling, served] { #expect(await connection.closes()) }
            #expect(await eventually { server.status.connections == 0 })
        }
    }

    @Test func aConnectionWithoutRequestsIsClosedInTime() async throws {
        try await withStubREST(bounds: bounds { $0.idle = .milliseconds(300) }) { server, stub in
            let connection = try await RawHTTP(port: server.port)
            for _ in 0..<4 {
                try await connection.send("POST", namePath, body: stub.naming())
                #expect(try await connection.answer()?.status == 201)
                try await Task.sleep(for: .milliseconds(100))
            }
            #expect(await connection.closes())
        }
    }

    @Test func aSlowBodyIsAborted() async throws {
        let bounds = bounds { bounds in
            bounds.bodyPatience = .milliseconds(100)
            bounds.bodyRate = 1_000
        }
        try await withStubRESTConnection(bounds: bounds) { connection, server, _ in
            try await connection.send("POST", namePath, headers: ["Content-Length: 5000"])
            for _ in 0..<20 {
                try? await connection.send(" ")
                try await Task.sleep(for: .milliseconds(20))
            }
            let answer = try await connection.answer()
            #expect(answer?.status == 503 && answer?.closes == true)
            #expect(answer?.names(Limits.restBodyRate, as: 1_000) == true, "\(answer as Any)")
            #expect(answer?.body.contains(#""reason":"too_slow""#) == true)
            #expect(await connection.closes())
            #expect(server.unauthenticatedBodyBytes == 0)
        }
    }

    @Test func aBodyThatTakesTooLongIsAborted() async throws {
        let bounds = bounds { $0.bodyTime = .milliseconds(1_100) }
        try await withStubRESTConnection(bounds: bounds) { connection, _, _ in
            try await connection.send("POST", namePath, headers: ["Content-Length: 3000000"])
            for _ in 0..<150 {
                try? await connection.send(String(repeating: " ", count: 1_000))
                try await Task.sleep(for: .milliseconds(10))
            }
            let answer = try await connection.answer()
            #expect(answer?.status == 503 && answer?.names(Limits.restBodySeconds, as: 1) == true, "\(answer as Any)")
        }
    }

    /// An answer that is larger than what the system holds for a client, so that it is stuck from the first one on.
    @Test func aClientThatDoesNotReadIsClosed() async throws {
        let server = HTTPServer(
            name: "Test",
            settings: .init(
                listener: .init(port: 0, allowPlaintext: true), bounds: bounds { $0.unread = .milliseconds(300) }),
            logger: quietLogger
        ) { _ in
            RoutedResponse(
                Response(status: .ok, body: .init(byteBuffer: ByteBuffer(repeating: 0, count: 64 << 20))))
        }
        let running = Task { try await server.run() }
        #expect(await eventually { server.boundPort != nil })
        let connection = try await RawHTTP(port: server.port, reads: false)
        try await connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(await eventually { server.status.requestsInFlight == 1 })
        #expect(await eventually { server.status.connections == 0 })
        await connection.close()
        running.cancel()
        _ = await running.result
    }
}
