import CZlib
import MusterHandlers
import MusterListener
import MusterProtocol
import MusterTestSupport
import NIOCore
import NIOHTTP1
import NIOPosix
import TestSupport
import Testing

@testable import MusterHTTP

/// Bodies that come packed.
@Suite struct ContentCodingTests {
    private func post(_ connection: RawHTTP, _ body: [UInt8], _ coding: String, _ path: String = namePath) async throws
    {
        try await connection.send(
            "POST", path, headers: ["Content-Encoding: \(coding)", "Content-Length: \(body.count)"])
        try await connection.channel.writeAndFlush(ByteBuffer(bytes: body)).get()
    }

    @Test(arguments: ["gzip", "GZIP", "x-gzip", "gzip, identity", "utf-8, gzip"])
    func gzippedBodiesAreAccepted(coding: String) async throws {
        try await withStubRESTConnection { connection, server, stub in
            try await post(connection, gzip(stub.naming("a", padding: 1_000_000)), coding)
            #expect(try await connection.answer()?.status == 201)
            try await connection.send(
                "POST", namePath, headers: ["Content-Encoding: \(coding)", "Transfer-Encoding: chunked"])
            for byte in gzip(stub.naming("b")) {
                try await connection.send("1\r\n")
                try await connection.channel.writeAndFlush(ByteBuffer(bytes: [byte])).get()
                try await connection.send("\r\n")
            }
            try await connection.send("0\r\n\r\n")
            #expect(try await connection.answer()?.status == 201)
            // A file of two.
            let text = Array(stub.naming("c").utf8)
            try await post(connection, gzip(text[..<20]) + gzip(text[20...]), coding)
            #expect(try await connection.answer()?.status == 201)
            #expect(stub.named == ["a", "b", "c"])
            #expect(await eventually { server.unauthenticatedBodyBytes == 0 })
        }
    }

    @Test(arguments: ["utf-8", "UTF8", "identity", "identity, utf-8", ""])
    func identityCodingIsIgnored(coding: String) async throws {
        try await withStubRESTConnection { connection, _, stub in
            try await post(connection, Array(stub.naming("a").utf8), coding)
            #expect(try await connection.answer()?.status == 201)
        }
    }

    @Test(arguments: ["br", "deflate", "zstd", "gzip, gzip", "gzip, br", "compress", "iso-8859-1"])
    func otherCodingsAreRefused(coding: String) async throws {
        try await withStubRESTConnection { connection, _, stub in
            try await post(connection, gzip(stub.naming()), coding)
            let answer = try await connection.answer()
            #expect(answer?.status == 415 && answer?.message == "Content-Encoding must be gzip, or left out")
            #expect(stub.named == [])
        }
    }

    /// A connection whose client mistook something goes on: all of the body has come.
    @Test func invalidGzipIsReported() async throws {
        try await withStubRESTConnection { connection, server, stub in
            let good = gzip(stub.naming("a", padding: 300_000))
            var wrongSum = good
            wrongSum[good.count - 6] ^= 1
            for bad in [
                [], Array("{}".utf8), Array(good.dropLast()), Array(good.prefix(12)), wrongSum, good + [0],
                good + good.prefix(9),
                zlib(stub.naming("a")),
            ] {
                try await post(connection, bad, "gzip")
                let answer = try await connection.answer()
                #expect(answer?.status == 400 && answer?.closes == false, "\(answer as Any)")
                #expect(answer?.message == "the body is not what gzip writes, or not all of it")
            }
            try await post(connection, good, "gzip")
            #expect(try await connection.answer()?.status == 201)
            #expect(stub.named == ["a"] && server.unauthenticatedBodyBytes == 0)
        }
    }

    @Test func theLimitOfABodyCountsItsUnpackedBytes() async throws {
        try await withStubRESTConnection { connection, server, stub in
            let small = stub.naming().utf8.count
            try await post(connection, gzip(stub.naming("a", padding: 4_000_000 - small)), "gzip")
            #expect(try await connection.answer()?.status == 201)
            // Hundreds of times as much as was sent: it is thrown away as soon as it is too much.
            for padding in [4_000_001 - small, 40_000_000] {
                try await post(connection, gzip(stub.naming("b", padding: padding)), "gzip")
                let answer = try await connection.answer()
                #expect(answer?.status == 413)
                #expect(answer?.message == "the body has more than 4000000 bytes (rest_body_bytes)")
            }
            #expect(stub.named == ["a"])
            #expect(await eventually { server.unauthenticatedBodyBytes == 0 })
        }
    }

    /// No budget is charged for its unpacked bytes any more, so it must stop by itself.
    @Test func theBodyOfADisconnectedClientIsUnpackedNoFurther() async throws {
        let body = gzip(String(repeating: " ", count: 50_000_000))
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let budgets = BodyBudgets(unauthenticated: ByteBudget(1 << 30), authenticated: ByteBudget(1 << 30))
        let answers = AnswerBudget(
            name: "REST", bounds: .init(maxBytes: 1, maxPerConnection: 1, maxInMaking: 1, patience: .zero),
            log: RateLimitedLogger(quietLogger)
        ).open {}
        let request = try await loop.submit {
            var bounds = HTTPServerSettings.Bounds.quick
            bounds.body = 1 << 30
            let connection = HTTPConnection(
                bounds: bounds, budgets: budgets,
                connections: OpenConnections(maxConnections: 1, maxUnauthenticated: 1),
                answers: answers)
            connection.phase = .ended
            return IncomingRequest(
                head: HTTPRequestHead(version: .http1_1, method: .POST, uri: namePath), problem: nil, answers: answers,
                loop: loop,
                connection: NIOLoopBound(connection, eventLoop: loop))
        }.get()
        // A bound that is larger than the body: that the client has gone is enough.
        await #expect(throws: RPCError.clientHasGone) { try await request.unpacked(ByteBuffer(bytes: body)) }
        #expect(budgets.unauthenticated.taken == 0 && budgets.authenticated.taken == 0)
    }

    @Test func unpackedBytesCountAgainstTheBudget() async throws {
        var bounds = HTTPServerSettings.Bounds.quick
        bounds.unauthenticatedBodies = 1_000_000
        try await withStubRESTConnection(bounds: bounds) { connection, server, stub in
            try await post(connection, gzip(stub.naming("a", padding: 900_000)), "gzip")
            #expect(try await connection.answer()?.status == 201)
            try await post(connection, gzip(stub.naming("b", padding: 1_000_000)), "gzip")
            let answer = try await connection.answer()
            #expect(answer?.status == 503 && answer?.headers["retry-after"] == "1")
            try await post(connection, gzip(stub.naming("c")), "gzip")
            #expect(try await connection.answer()?.status == 201)
            #expect(stub.named == ["a", "c"])
            #expect(await eventually { server.unauthenticatedBodyBytes == 0 })
        }
    }

    @Test func serviceRequestsMayBeGzipped() async throws {
        try await withMuster { muster in
            let connection = try await RawHTTP(port: try await muster.server.restPort())
            let bearer = "Authorization: Bearer \(muster.server.workspace.adminKey.text)"
            for (path, padding, status) in [
                ("/users/track", 3_000_000, 201), ("/users/track/bulk", 1_000_000, 201),
                ("/users/track/bulk", 2_000_000, 413),
            ] {
                let body = gzip(
                    #"{"attributes":[{"external_id":"u-1","n":1}]}"# + String(repeating: " ", count: padding))
                try await connection.send(
                    "POST", path, headers: [bearer, "Content-Encoding: gzip", "Content-Length: \(body.count)"])
                try await connection.channel.writeAndFlush(ByteBuffer(bytes: body)).get()
                let answer = try await connection.answer()
                #expect(answer?.status == status, "\(path): \(answer as Any)")
            }
            await connection.close()
        }
    }
}

private func gzip(_ text: String) -> [UInt8] { packed(Array(text.utf8), format: 16) }
private func gzip(_ bytes: some Collection<UInt8>) -> [UInt8] { packed(Array(bytes), format: 16) }
private func zlib(_ text: String) -> [UInt8] { packed(Array(text.utf8), format: 0) }

private func packed(_ bytes: [UInt8], format: Int32) -> [UInt8] {
    var bytes = bytes
    var stream = z_stream()
    deflateInit2_(&stream, 6, Z_DEFLATED, 15 + format, 8, 0, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    defer { deflateEnd(&stream) }
    return bytes.withUnsafeMutableBufferPointer { input in
        [UInt8](unsafeUninitializedCapacity: input.count + 1_000) { output, count in
            (stream.next_in, stream.avail_in) = (input.baseAddress, UInt32(input.count))
            (stream.next_out, stream.avail_out) = (output.baseAddress, UInt32(output.count))
            deflate(&stream, Z_FINISH)
            count = Int(stream.total_out)
        }
    }
}
