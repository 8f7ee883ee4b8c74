import MusterProtocol
import MusterRPC
import MusterTestSupport
import TestSupport
import Testing

/// What a peer may send that is no conversation: the connection ends, and nothing else does.
@Suite struct ServerFrameTests {
    /// The only frame that comes before the server closes.
    private func onlyFrame(_ bytes: [UInt8], open: Bool = false) async throws -> Frame? {
        var frames: [Frame] = []
        try await withStubConnection(open: open) { connection, server, _ in
            try await connection.send(bytes)
            frames = try await connection.rest()
            #expect(await eventually { server.status.connections == 0 })
        }
        #expect(frames.count == 1)
        return frames.first
    }

    @Test(arguments: [false, true]) func aHeaderIsCheckedBeforeItsFrameArrives(open: Bool) async throws {
        let frame = try await onlyFrame([0, 0xFF, 0xFF, 0xFF, 0xFF], open: open)
        #expect(frame?.id == 0)
        #expect(frame?.code == .resourceExhausted)
    }

    @Test func beforeOpeningAFrameHoldsSixteenKibibytes() async throws {
        func opening(of length: Int) -> [UInt8] {
            let empty = request(1, "session.open", "{\"key\":\"good\"}").utf8.count
            let padding = String(repeating: " ", count: length - empty)
            return framed(request(1, "session.open", "{\"key\":\"good\"\(padding)}"))
        }
        let refusal = try await onlyFrame(Array(opening(of: 16 * 1_024 + 1).prefix(5)))
        expectTooLong(refusal, Limits.frameBeforeOpen, 16 * 1_024)
        try await withStubConnection(open: false) { connection, _, _ in
            try await connection.send(opening(of: 16 * 1_024))
            #expect(try await connection.next()?.id == 1)
            #expect(!connection.isClosed)
        }
    }

    @Test func afterOpeningAFrameHoldsFourMebibytes() async throws {
        expectTooLong(try await onlyFrame([0, 0, 0x40, 0, 1], open: true), Limits.frame, 4 << 20)
    }

    @Test func everyFlagIsRefused() async throws {
        try await withStubServer { server, _ in
            for flags in UInt8(1)...255 {
                let connection = try await RawConnection(port: server.port)
                try await connection.send([flags])
                #expect(try await connection.rest().map(\.code) == [.invalidArgument])
                await connection.close()
            }
        }
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ])
    func anotherProtocolIsClosed(bytes: String) async throws {
        #expect(try await onlyFrame(Array(bytes.utf8))?.code == .invalidArgument)
    }

    @Test func noiseIsClosed() async throws {
        var generator = SystemRandomNumberGenerator()
        try await withStubServer { server, _ in
            for _ in 0..<50 {
                let connection = try await RawConnection(port: server.port)
                try await connection.send((0..<1_024).map { _ in UInt8.random(in: 1...255, using: &generator) })
                #expect(try await connection.rest().allSatisfy { $0.code != nil })
                await connection.close()
            }
            #expect(await eventually { server.status.connections == 0 })
        }
    }

    @Test(arguments: [
        "", "{", "[]", "null", "{}", "{\"method\":\"test.echo\",\"body\":{}}",
        "{\"id\":-1,\"method\":\"x\"}",
        "{\"id\":1e300,\"method\":\"x\"}", "{\"goaway\":{\"last_id\":1}}", "{\"cancel\":\"x\"}", "\u{FEFF}{\"ping\":1}",
        "{\"ping\":1,\"ping\":1}", "{\"ping\":1,\"pong\":1}", "{\"x\":\"\\x\",\"ping\":1}", "{\"ping\":1,\"x\":}",
        "{\"id\":2,\"id\":2,\"method\":\"x\"}", "{\"id\":2}{\"id\":3}",

    ])
    func aMalformedMessageEndsTheConnection(message: String) async throws {
        #expect(try await onlyFrame(framed(message), open: true)?.code == .invalidArgument)
    }

    @Test func aRepeatedIdEndsTheConnection() async throws {
        try await withStubConnection { connection, server, stub in
            let wait = request(2, "test.wait", "{\"name\":\"a\"}")
            try await connection.send(wait, wait)
            #expect(try await connection.rest().map(\.code) == [.invalidArgument])
            #expect(await eventually { server.status == .init(connections: 0, requestsInFlight: 0) })
        }
    }

    @Test(arguments: [[], [0], [0, 0, 0, 0], framed(request(1, "session.open")).dropLast(3)] as [[UInt8]])
    func aTruncatedFrameEndsTheConnection(bytes: [UInt8]) async throws {
        try await withStubConnection(open: false) { connection, server, _ in
            try await connection.send(bytes)
            try await connection.finishSending()
            #expect(try await connection.rest() == [])
            #expect(await eventually { server.status.connections == 0 })
        }
    }
}

private func expectTooLong(_ frame: Frame?, _ limit: Limit, _ value: Int) {
    guard case .error(0, let error)? = frame else {
        Issue.record("no error: \(String(describing: frame))")
        return
    }
    #expect(error.code == .resourceExhausted && error.details.reason == .tooLong)
    #expect(error.names(limit, as: value), "\(error)")
}
