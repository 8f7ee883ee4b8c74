import MusterHTTP
import MusterListener
import MusterProtocol
import MusterTestSupport
import NIOCore
import TestSupport
import Testing

/// Accepting REST connections: the share of an address, PROXY headers, slow TLS handshakes.
@Suite struct AcceptTests {
    @Test func anAddressHasItsShareOfConnections() async throws {
        var bounds = HTTPServerSettings.Bounds.quick
        bounds.connectionsPerAddress = 1
        try await withStubREST(bounds: bounds) { server, stub in
            let good = try await RawHTTP(port: server.port)
            try await good.send("POST", namePath, body: stub.naming())
            #expect(try await good.answer()?.status == 201)
            let surplus = try await RawHTTP(port: server.port)
            let answer = try await surplus.answer()
            #expect(answer?.status == 503 && answer?.headers["retry-after"] == "1")
            #expect(answer?.names(Limits.connectionsPerAddress, as: 1) == true, "\(answer?.body ?? "")")
            // It is not counted against any key.
            #expect(answer?.headers.keys.filter { $0.hasPrefix("x-ratelimit") } == [])
            #expect(await surplus.closes())
            await good.close()
            #expect(await eventually { server.status.connections == 0 })
            let next = try await RawHTTP(port: server.port)
            try await next.send("POST", namePath, body: stub.naming())
            #expect(try await next.answer()?.status == 201)
            await next.close()
        }
    }

    @Test func theAddressComesFromTheProxyHeader() async throws {
        var bounds = HTTPServerSettings.Bounds.quick
        bounds.connectionsPerAddress = 1
        let stub = StubREST()
        var listener = ListenerSettings(port: 0, allowPlaintext: true)
        listener.expectsProxyHeader = true
        let server = stub.server(listener: listener, bounds: bounds)
        try await server.start()
        var connections: [RawHTTP] = []
        for (last, status) in [(1, 201), (2, 201), (1, 503)] as [(UInt8, Int)] {
            let connection = try await RawHTTP(port: server.port)
            connections.append(connection)
            let header: [UInt8] =
                [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A, 0x21, 0x11, 0, 12]
                + [192, 0, 2, last, 198, 51, 100, 1, 0xD4, 0x31, 0x1E, 0xC6]
            try await connection.channel.writeAndFlush(ByteBuffer(bytes: header)).get()
            if status == 201 { try await connection.send("POST", namePath, body: stub.naming()) }
            #expect(try await connection.answer()?.status == status)
        }
        for connection in connections { await connection.close() }
        await server.abortNow()
    }

    @Test(.enabled(if: TestCertificates.isPossible, "there is no openssl command"))
    func aSlowTLSHandshakeIsClosedInTime() async throws {
        let certificates = try TestCertificates()
        var bounds = HTTPServerSettings.Bounds.quick
        bounds.head = .seconds(1)
        try await withStubREST(bounds: bounds, tls: certificates.server) { server, _ in
            let began = ContinuousClock.now
            let silent = try await RawHTTP(port: server.port)
            let half = try await RawHTTP(port: server.port)
            // A handshake record of 200 bytes, of which the first come.
            let hello: [UInt8] = [0x16, 0x03, 0x01, 0x00, 0xC8, 0x01, 0x00, 0x00, 0xC4, 0x03, 0x03]
            try await half.channel.writeAndFlush(ByteBuffer(bytes: hello)).get()
            #expect(await eventually { silent.isClosed && half.isClosed })
            #expect(ContinuousClock.now - began < .seconds(6))
            #expect(await eventually { server.status.connections == 0 })
            for connection in [silent, half] { await connection.close() }
        }
    }
}
