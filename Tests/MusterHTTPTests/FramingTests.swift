import MusterTestSupport
import TestSupport
import Testing

/// Where a request ends is seen alike by the server and by any proxy in front of it: what two readers may take for two
/// different things is refused, and the connection closed with it.
@Suite struct FramingTests {
    private static let chunks = "5\r\n     \r\n0\r\n\r\n"

    /// What follows is never answered: a second request behind a refused one is what a smuggler wants.
    private func refuses(_ text: String, with status: Int) async throws {
        try await withStubRESTConnection { connection, _, stub in
            try await connection.send(text + "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
            let answer = try await connection.answer()
            #expect(answer?.status == status, "\(answer as Any)")
            #expect(answer?.closes == true && answer?.message != nil)
            #expect(await connection.closes())
            #expect(connection.text() == "" && stub.named == [])
        }
    }

    @Test(arguments: [
        "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: GZIP ,\tChunked", "transfer-encoding: deflate,chunked",
        "Transfer-Encoding: , chunked", "Transfer-Encoding: chunked;q=1",
    ]) func onlyOneChunkedCodingIsAccepted(field: String) async throws {
        try await withStubRESTConnection { connection, _, _ in
            try await connection.send(
                "POST \(namePath) HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n\(Self.chunks)GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
            )
            let answer = try await connection.answer()
            #expect([400, 501].contains(answer?.status), "\(answer as Any)")
            #expect(answer?.closes == true && answer?.message != nil)
            #expect(await connection.closes())
            #expect(connection.text() == "")
        }
    }

    @Test func anUnknownCodingIsReported() async throws {
        try await refuses(
            "POST \(namePath) HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n\(Self.chunks)", with: 501)
    }

    @Test(arguments: ["chunked", "Chunked", " CHUNKED"]) func chunkedIsAcceptedInEveryCase(coding: String)
        async throws
    {
        try await withStubRESTConnection { connection, _, stub in
            let body = stub.naming("a")
            try await connection.send("POST", namePath, headers: ["Transfer-Encoding:\(coding)"])
            try await connection.send("\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n")
            #expect(try await connection.answer()?.status == 201)
            #expect(stub.named == ["a"])
        }
    }

    @Test(arguments: [
        "POST  \(namePath) HTTP/1.1", "POST \(namePath)  HTTP/1.1", "POST\t\(namePath) HTTP/1.1",
        "POST \(namePath)\tHTTP/1.1", " POST \(namePath) HTTP/1.1", "POST \(namePath) HTTP/1.1 ",
        "POST \(namePath) x HTTP/1.1", "POST \(namePath)", "POST \(namePath) http/1.1", "POST \(namePath) HTTP/01.1",
        "POST \(namePath) HTTP/1.10", "POST \(namePath)#f HTTP/1.1", "POST partners HTTP/1.1",
        "post \(namePath) HTTP/1.1",
        "POST \(namePath)\u{b} HTTP/1.1", "POST \(namePath)\u{0} HTTP/1.1", "POST \(namePath)\u{e9} HTTP/1.1",
    ]) func aRequestLineHasThreePartsAndTwoSpaces(line: String) async throws {
        try await refuses("\(line)\r\nHost: a\r\nContent-Length: 0\r\n\r\n", with: 400)
    }

    @Test(arguments: [
        "5, 5", "5\r\nContent-Length: 5", "5\r\nContent-Length: 6", "+5", "-5", "0x5", "5 5", "5;", "", "5.0", "５",
        "99999999999999999999", "5 \r\nContent-Length: 5", "5\r\nTransfer-Encoding: chunked", "5\u{b}", "5,",
    ]) func aLengthIsOneNumber(length: String) async throws {
        try await refuses(
            "POST \(namePath) HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\n     ", with: 400)
    }

    /// RFC 9112, section 5: white space around a value is no part of it, and the parser leaves it behind the value.
    @Test(arguments: [
        "Content-Length: # ", "Content-Length:#", "Content-Length: \t #  ", "Content-Length:\t#",
        "Content-Length: 0#\r\nX: y\t", "Content-Length: 00000000000000000000000# ",
    ]) func whiteSpaceAroundALengthSkipsNoCheck(field: String) async throws {
        try await withStubRESTConnection { connection, _, stub in
            let body = stub.naming("a")
            for (length, body, target, status) in [(0, "", "/nothing", 404), (body.utf8.count, body, namePath, 201)] {
                let field = field.replacing("#", with: "\(length)")
                try await connection.send("POST \(target) HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n\(body)")
                #expect(try await connection.answer()?.status == status)
            }
            try await connection.send(
                "GET  /nothing HTTP/1.1\r\nHost: a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
            let answer = try await connection.answer()
            #expect(answer?.status == 400 && answer?.closes == true, "\(answer as Any)")
            #expect(await connection.closes())
            #expect(connection.text() == "" && stub.named == ["a"])
        }
    }

    /// The parser takes blanks behind a length, and no tab.
    @Test(arguments: ["0\t", "5\t", "0 \t", "0\t "]) func aTabAfterALengthIsRefused(length: String) async throws {
        try await refuses(
            "POST \(namePath) HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\n     ", with: 400)
    }

    @Test(arguments: ["chunked ", "chunked  ", "\tchunked ", " Chunked"])
    func whiteSpaceAroundACodingIsIgnored(coding: String) async throws {
        try await withStubRESTConnection { connection, _, stub in
            let body = stub.naming("a")
            try await connection.send("POST", namePath, headers: ["Transfer-Encoding:\(coding)"])
            try await connection.send("\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n")
            #expect(try await connection.answer()?.status == 201)
            try await connection.send("GET  /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await connection.answer()?.status == 400)
            #expect(stub.named == ["a"])
        }
    }

    /// The parser counts further than we do.
    @Test(arguments: [
        "4000001", "9223372036854775807", "9223372036854775808", "18446744073709551615", "9223372036854775808 ",
    ])
    func aHugeLengthIsTooLong(length: String) async throws {
        try await refuses(
            "POST \(namePath) HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\n     ", with: 413)
    }

    @Test(arguments: [
        "Host: b", "Ho st: b", "Host : b", "X : y", " X: y", "X: y\r\n z", "X: y\r\n\tz", "X: a\u{0}b", "X: a\rb",
        "X: a\nY: b",
        "X", ": y", "X: a\u{1}b", "(X): y", "Content-Length\u{b}: 5", "Transfer-Encoding\t: chunked", "X: y\n",
    ]) func anAmbiguousFieldIsRefused(field: String) async throws {
        try await refuses("POST \(namePath) HTTP/1.1\r\nHost: a\r\n\(field)\r\nContent-Length: 0\r\n\r\n", with: 400)
    }

    @Test(arguments: [
        "Host: a b", "Host: a/b", "Host: a,b", "Host: user@a", "Host: a\u{e9}", "X: y", "Host: a?b", "Host: [::1",
        "Host: a:8o",
    ]) func aRequestHasOneValidHost(field: String) async throws {
        try await refuses("POST \(namePath) HTTP/1.1\r\n\(field)\r\nContent-Length: 0\r\n\r\n", with: 400)
    }

    @Test(arguments: ["a", "a:80", "[::1]:7880", "", "a.b-c_d", "A%20", "a ", "\ta\t ", "a:80\t", " \t"])
    func everyKindOfHostIsAccepted(host: String) async throws {
        try await withStubRESTConnection { connection, _, _ in
            try await connection.send("GET /nothing HTTP/1.1\r\nHost: \(host)\r\n\r\n")
            #expect(try await connection.answer()?.status == 404)
        }
    }

    @Test(arguments: [
        " 5\r\n     \r\n0\r\n\r\n", "5 \r\n     \r\n0\r\n\r\n", "0x5\r\n     \r\n0\r\n\r\n", "+5\r\n     \r\n0\r\n\r\n",
        "\r\n", ";x\r\n", "5\n     \r\n0\r\n\r\n", "5\r\n     \n0\r\n\r\n", "5\r\n      \r\n0\r\n\r\n",
        "5\r\n     0\r\n\r\n",
        "10000000000000005\r\n     \r\n0\r\n\r\n", "FFFFFFFFFFFFFFFF\r\n     \r\n0\r\n\r\n",
        "5\r\r\n     \r\n0\r\n\r\n",
        "5;a\nb\r\n     \r\n0\r\n\r\n", "5;a\rb\r\n     \r\n0\r\n\r\n", "5;a\u{0}\r\n     \r\n0\r\n\r\n",
        "5;\(String(repeating: "x", count: 5_000))\r\n     \r\n0\r\n\r\n", "5\r\n     \r\n0\n\r\n",
        "5\r\n     \r\n0\r\n\n",
        "5\r\n     \r\n0\r\nX : y\r\n\r\n", "5\r\n     \r\n0\r\nX: y\n\r\n",
        "5\r\n     \r\n0\r\nContent-Length: 3\r\n\r\n",
    ]) func anAmbiguousChunkIsRefused(chunks: String) async throws {
        try await refuses(
            "POST \(namePath) HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(chunks)", with: 400)
    }

    @Test func extensionsAndTrailersAreIgnored() async throws {
        try await withStubRESTConnection { connection, _, stub in
            let body = stub.naming("a")
            let size = String(body.utf8.count, radix: 16)
            for chunk in ["\(size);a=b;c=\"d\"", "000\(size)", size.uppercased()] {
                try await connection.send("POST", namePath, headers: ["Transfer-Encoding: chunked"])
                try await connection.send("\(chunk)\r\n\(body)\r\n0\r\nX: y\r\n\r\n")
                #expect(try await connection.answer()?.status == 201)
            }
            #expect(stub.named == ["a", "a", "a"])
        }
    }

    /// What HTTP/1.0 has no chunks for, a proxy of that age passes on as it came.
    @Test func chunksAreRefusedInHTTP10() async throws {
        try await refuses("POST \(namePath) HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n\(Self.chunks)", with: 400)
    }

    @Test func pipelinedRequestsAreSeparatedByteByByte() async throws {
        try await withStubRESTConnection { connection, _, stub in
            let (a, b, c) = (stub.naming("a"), stub.naming("b"), stub.naming("c"))
            let text =
                "\r\nPOST \(namePath) HTTP/1.1\r\nHost: a\r\nContent-Length: \(a.utf8.count)\r\n\r\n\(a)"
                + "POST \(namePath) HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                + b.map { "1\r\n\($0)\r\n" }.joined() + "0\r\n\r\n" + "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
                + "POST \(namePath) HTTP/1.1\r\nHost: a\r\nContent-Length: \(c.utf8.count)\r\n\r\n\(c)"
                + "GET  /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
            for byte in text.utf8 { try await connection.send(String(decoding: [byte], as: UTF8.self)) }
            for status in [201, 201, 404, 201, 400] { #expect(try await connection.answer()?.status == status) }
            #expect(await connection.closes())
            #expect(stub.named == ["a", "b", "c"])
        }
    }

    /// In one piece of bytes, so that nothing but their meaning says where one ends.
    @Test func aBadRequestDoesNotSpoilThoseBeforeIt() async throws {
        try await withStubRESTConnection { connection, _, stub in
            let a = stub.naming("a")
            let good = "POST \(namePath) HTTP/1.1\r\nHost: a\r\nContent-Length: \(a.utf8.count)\r\n\r\n\(a)"
            try await connection.send(good + good + "POST  \(namePath) HTTP/1.1\r\nHost: a\r\n\r\n" + good)
            for status in [201, 201, 400] { #expect(try await connection.answer()?.status == status) }
            #expect(await connection.closes())
            #expect(stub.named == ["a", "a"])
        }
    }

    /// A body that looks like requests is a body, also of methods that have no use for one.
    @Test(arguments: ["GET", "HEAD", "DELETE", "OPTIONS"]) func aBodyIsNeverReadAsARequest(method: String)
        async throws
    {
        try await withStubRESTConnection { connection, _, stub in
            let inner = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
            try await connection.send(
                "\(method) /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: \(inner.utf8.count)\r\n\r\n\(inner)")
            #expect(await eventually { connection.text().hasPrefix("HTTP/1.1 404") })
            _ = await connection.closes(within: 1)
            #expect(connection.text().ranges(of: "HTTP/1.1 ").count == 1, "\(connection.text())")
        }
    }

    @Test func aTargetMayBeAbsolute() async throws {
        try await withStubRESTConnection { connection, _, stub in
            let body = stub.naming("a")
            try await connection.send(
                "POST http://muster.example.com\(namePath) HTTP/1.1\r\nHost: b\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            #expect(try await connection.answer()?.status == 201)
        }
    }
}
