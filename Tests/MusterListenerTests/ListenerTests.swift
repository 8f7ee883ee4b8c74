import MusterProtocol
import MusterRPC
import MusterTestSupport
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import NIOSSL
import TestSupport
import Testing

@testable import MusterListener

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Accepting connections: their number, the share of an address, PROXY headers, slow TLS handshakes.
@Suite struct ListenerTests {
    /// - Parameter headers: how long a PROXY header may take, where there has to be one.
    private func withListener(
        maxConnections: Int = .max, headers: Duration? = nil, tls: TLSFiles? = nil,
        bounds: RPCServerSettings.Bounds = .quick,
        _ body: (RPCServer) async throws -> Void
    ) async throws {
        var settings = ListenerSettings(port: 0, tls: tls, allowPlaintext: true)
        settings.maxConnections = maxConnections
        settings.expectsProxyHeader = headers != nil
        settings.proxyHeaderPatience = headers ?? .zero
        let server = RPCServer(
            settings: .init(listener: settings, bounds: bounds), router: StubHandlers().router, logger: quietLogger)
        try await server.start()
        do { try await body(server) } catch {
            await server.abortNow()
            throw error
        }
        await server.abortNow()
    }

    // MARK: Places

    /// One more stays in the backlog, and comes in when another one has gone.
    @Test func connectionsBeyondTheLimitStayInTheBacklog() async throws {
        try await withListener(maxConnections: 4) { server in
            var connections: [RawConnection] = []
            for _ in 0..<4 {
                connections.append(try await RawConnection(port: server.port))
                try await connections.last?.open()
            }
            let waiting = try await RawConnection(port: server.port)
            try await waiting.send(request(1, "session.open", "{\"key\":\"good\"}"))
            try await Task.sleep(for: .milliseconds(300))
            #expect(server.status.connections == 4 && waiting.bytesReceived == 0)
            #expect(server.acceptPauses.places == 1 && server.acceptPauses.descriptors == 0)
            await connections.removeFirst().close()
            guard case .reply(1, _)? = try await waiting.next() else {
                Issue.record("it did not come in")
                return
            }
            for connection in connections + [waiting] { await connection.close() }
        }
    }

    /// Every "no descriptors" of the system pauses accepting; afterwards connections of the backlog are accepted.
    @Test func acceptingPausesWithoutDescriptors() async throws {
        let pauses = NIOLockedValueBox(AcceptPauses())
        let captured = CapturedLog()
        let log = OncePerMinuteLogger(captured.logger)
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        AcceptLimiter(listener: "RPC", maxConnections: 10, pauses: pauses, log: log))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        for errno in [EMFILE, ENFILE, ENOBUFS, ENOMEM] {
            server.pipeline.fireErrorCaught(IOError(errnoCode: errno, reason: "accept"))
            #expect(try await server.getOption(.autoRead).get() == false)
            #expect(await eventually { (try? await server.getOption(.autoRead).get()) == true })
        }
        #expect(pauses.withLockedValue { $0.descriptors } == 4)
        #expect(captured.lines.count == 1)
        try await server.close()
    }

    // MARK: Addresses

    @Test func anAddressHasItsShareOfConnections() async throws {
        var bounds = RPCServerSettings.Bounds.quick
        bounds.connectionsPerAddress = 2
        try await withListener(bounds: bounds) { server in
            let first = try await RawConnection(port: server.port)
            let second = try await RawConnection(port: server.port)
            for connection in [first, second] { try await connection.open() }
            let third = try await RawConnection(port: server.port)
            guard case .error(0, let error)? = try await third.next() else {
                Issue.record("it was taken")
                return
            }
            #expect(error.code == .resourceExhausted)
            #expect(error.details.string("limit") == "connections_per_address")
            await first.close()
            #expect(await eventually { server.status.connections == 1 })
            let fourth = try await RawConnection(port: server.port)
            try await fourth.open()
            for connection in [second, third, fourth] { await connection.close() }
        }
    }

    /// The connections of one address leave room for others, even if all are unauthenticated.
    @Test func theConnectionShareIsCountedByAddress() {
        final class Connection: Sendable {}
        let all = (0..<6).map { _ in Connection() }
        let ids = all.map { ObjectIdentifier($0) }
        let (here, there) = (PeerAddress([192, 0, 2, 1]), PeerAddress([192, 0, 2, 2]))
        var admissions = AdmissionQueue(maxConnections: 4, maxUnauthenticated: 2, maxSurplus: 1, maxPerAddress: 2)
        #expect(admissions.admit(ids[0], from: here) == .taken(closing: nil))
        #expect(admissions.admit(ids[1], from: here) == .taken(closing: nil))
        #expect(admissions.admit(ids[2], from: here) == .surplus(.perAddress))
        #expect(admissions.admit(ids[3], from: here) == .refused)
        // Being cut, the first counts until it has gone.
        #expect(admissions.admit(ids[3], from: there) == .taken(closing: ids[0]))
        #expect(admissions.admit(ids[4], from: here) == .refused)
        for id in [ids[0], ids[2]] { admissions.remove(id) }
        #expect(admissions.admit(ids[4], from: here) == .taken(closing: ids[1]))
        #expect(admissions.admit(ids[5]) == .taken(closing: ids[3]))
    }

    // MARK: Proxies

    @Test func theAddressComesFromTheProxyHeader() async throws {
        var bounds = RPCServerSettings.Bounds.quick
        bounds.connectionsPerAddress = 1
        try await withListener(headers: .seconds(5), bounds: bounds) { server in
            func connection(from last: UInt8, _ command: UInt8 = 0x21) async throws -> RawConnection {
                var address = ProxyHeaderTests.ofIPv4
                address[3] = last
                let connection = try await RawConnection(port: server.port)
                let header = ProxyHeaderTests.header(command, 0x11, address + ProxyHeaderTests.fields)
                // The header, and the first frame behind it in the same segment.
                try await connection.send(header + framed(request(1, "session.open", "{\"key\":\"good\"}")))
                return connection
            }
            let first = try await connection(from: 1)
            #expect(try await first.next()?.id == 1)
            let second = try await connection(from: 2)
            #expect(try await second.next()?.code == nil)
            let again = try await connection(from: 1)
            #expect(try await again.next()?.code == .resourceExhausted)
            // A health check of the proxy's own has no address.
            let checks = [try await connection(from: 1, 0x20), try await connection(from: 1, 0x20)]
            for check in checks { #expect(try await check.next()?.code == nil) }
            for connection in [first, second, again] + checks { await connection.close() }
        }
    }

    @Test func aHeaderMayComeInPiecesBeforeTLS() async throws {
        guard TestCertificates.isPossible else { return }
        let certificates = try TestCertificates()
        let tls = certificates.server
        try await withListener(headers: .seconds(5), tls: tls) { server in
            let connection = try await RawConnection(port: server.port)
            for byte in ProxyHeaderTests.header(0x21, 0x11, ProxyHeaderTests.ofIPv4) {
                try await connection.send([byte])
            }
            var settings = TLSConfiguration.makeClientConfiguration()
            settings.certificateVerification = .none
            let context = try NIOSSLContext(configuration: settings)
            try await connection.channel.eventLoop.submit {
                let tls = try NIOSSLClientHandler(context: context, serverHostname: nil)
                try connection.channel.pipeline.syncOperations.addHandler(tls, position: .first)
            }.get()
            try await connection.open()
            await connection.close()
        }
    }

    @Test func aConnectionWithoutAProxyHeaderIsClosed() async throws {
        try await withListener(headers: .milliseconds(300)) { server in
            let wrong = try await RawConnection(port: server.port)
            try await wrong.send(request(1, "session.open", "{\"key\":\"good\"}"))
            #expect(await eventually { wrong.isClosed })
            #expect(wrong.bytesReceived == 0)
            let silent = try await RawConnection(port: server.port)
            #expect(await eventually { silent.isClosed })
            let half = try await RawConnection(port: server.port)
            try await half.send(Array(ProxyHeaderTests.signature))
            try await half.finishSending()
            #expect(await eventually { half.isClosed })
            #expect(server.status.connections == 0)
            for connection in [wrong, silent, half] { await connection.close() }
        }
    }

    /// So many as come without header, the one that came first is closed for one more.
    @Test func connectionsWithoutAProxyHeaderAreBounded() async throws {
        try await withListener(headers: .seconds(60)) { server in
            var silent: [RawConnection] = []
            for _ in 0..<ProxyHeaderQueue.maxConnections + 8 {
                silent.append(try await RawConnection(port: server.port))
            }
            let all = silent
            #expect(await eventually { all.count(where: \.isClosed) == 8 })
            for connection in silent { await connection.close() }
        }
    }

    // MARK: TLS

    /// Half a ClientHello, or a byte now and then, holds no connection for longer than a session has to be opened in.
    @Test func aSlowTLSHandshakeIsClosedInTime() async throws {
        guard TestCertificates.isPossible else { return }
        let certificates = try TestCertificates()
        var bounds = RPCServerSettings.Bounds.quick
        bounds.open = .seconds(1)
        try await withStubServer(bounds: bounds, tls: certificates.server) { server, _ in
            // A handshake record of 200 bytes: a ClientHello of 196, of which the first 20 come.
            let hello: [UInt8] =
                [0x16, 0x03, 0x01, 0x00, 0xC8, 0x01, 0x00, 0x00, 0xC4, 0x03, 0x03] + [UInt8](repeating: 7, count: 9)
            let began = ContinuousClock.now
            let silent = try await RawConnection(port: server.port)
            let half = try await RawConnection(port: server.port)
            try await half.send(hello)
            let slow = try await RawConnection(port: server.port)
            for byte in hello where !slow.isClosed {
                try? await slow.send([byte])
                try await Task.sleep(for: .milliseconds(100))
            }
            #expect(await eventually { silent.isClosed && half.isClosed && slow.isClosed })
            #expect(ContinuousClock.now - began < .seconds(6))
            #expect(await eventually { server.status.connections == 0 })
            for connection in [silent, half, slow] { await connection.close() }
        }
    }
}
