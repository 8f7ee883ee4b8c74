import MusterProtocol
import MusterRPC
import MusterTestSupport
import TestSupport
import Testing

/// Connections that open no session.
@Suite struct UnauthenticatedConnectionTests {
    private var bounds: RPCServerSettings.Bounds {
        var bounds = RPCServerSettings.Bounds.quick
        bounds.connections = 6
        bounds.unauthenticatedConnections = 3
        return bounds
    }

    @Test func idleUnauthenticatedConnectionsKeepNoClientOut() async throws {
        try await withStubConnection(bounds: bounds) { session, server, _ in
            var idle: [RawConnection] = []
            for number in 0..<8 {
                idle.append(try await RawConnection(port: server.port))
                // It is in line before the next one comes: event loops take connections in at the same time.
                let all = idle
                #expect(
                    await eventually {
                        number < 3 ? server.status.connections == number + 2 : all[number - 3].isClosed
                    })
            }
            #expect(
                await eventually { idle.map(\.isClosed) == [true, true, true, true, true, false, false, false] })
            let newcomer = try await RawConnection(port: server.port)
            try await newcomer.open()
            // Neither the old session nor the new one is closed for an unauthenticated connection.
            for _ in 0..<4 { idle.append(try await RawConnection(port: server.port)) }
            #expect(await eventually { idle.count(where: \.isClosed) == idle.count - 3 })
            for connection in [session, newcomer] {
                try await connection.send("{\"ping\":1}")
                #expect(try await connection.next() == .pong(1))
            }
            for connection in idle + [newcomer] { await connection.close() }
        }
    }

    /// Unauthenticated connections get what sessions leave, down to none.
    @Test func sessionsMayUseEveryConnection() async throws {
        try await withStubServer(bounds: bounds) { server, _ in
            var sessions: [RawConnection] = []
            for _ in 0..<5 {
                sessions.append(try await RawConnection(port: server.port))
                try await sessions.last?.open()
            }
            let idle = try await RawConnection(port: server.port)
            #expect(await eventually { server.status.connections == 6 })
            sessions.append(try await RawConnection(port: server.port))
            try await sessions[5].open()
            #expect(await eventually { idle.isClosed })
            let surplus = try await RawConnection(port: server.port)
            #expect(try await surplus.rest().map(\.code) == [.resourceExhausted])
            for connection in sessions { await connection.close() }
            #expect(await eventually { server.status.connections == 0 })
        }
    }

    @Test(.enabled(if: TestCertificates.isPossible, "there is no openssl command"))
    func unauthenticatedTLSConnectionsAreClosedWithoutTheirConsent() async throws {
        var bounds = bounds
        bounds.unauthenticatedConnections = 1
        let certificates = try TestCertificates()
        try await withStubServer(bounds: bounds, tls: certificates.server) { server, _ in
            let first = try await RawConnection(port: server.port)
            #expect(await eventually { server.status.connections == 1 })
            let second = try await RawConnection(port: server.port)
            let began = ContinuousClock.now
            #expect(await eventually { first.isClosed })
            #expect(ContinuousClock.now - began < .seconds(3) && !second.isClosed)
            await second.close()
        }
    }
}
