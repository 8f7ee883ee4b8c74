import MusterProtocol
import MusterTestSupport
import TestSupport
import Testing

/// What a header may be.
@Suite struct HeaderTests {
    private func fields(_ count: Int, bytes: Int = 1) -> [String] {
        (0..<count).map { "X-\($0): \(String(repeating: "x", count: bytes))" }
    }

    @Test func aHeaderWithinTheLimitsIsAccepted() async throws {
        try await withStubRESTConnection { connection, _, stub in
            for headers in [fields(60), fields(3, bytes: 8_100), fields(3, bytes: 8_100) + fields(1, bytes: 7_000)] {
                try await connection.send("POST", namePath, headers: headers, body: stub.naming())
                #expect(try await connection.answer()?.status == 201)
            }
        }
    }

    @Test(arguments: [0, 1, 2, 3]) func aHeaderBeyondTheLimitsIsRefused(which: Int) async throws {
        try await withStubRESTConnection { connection, _, stub in
            let path = which == 3 ? namePath + "?" + String(repeating: "x", count: 9_000) : namePath
            let headers = [fields(70), fields(1, bytes: 8_200), fields(5, bytes: 8_000), []][which]
            try await connection.send("POST", path, headers: headers, body: stub.naming())
            let answer = try await connection.answer()
            #expect(answer?.status == 431 && answer?.closes == true)
            let limit = [
                Limits.restHeaderFields, Limits.restHeaderField, Limits.restHeader, Limits.restHeaderField,
            ][which]
            #expect(answer?.names(limit, as: limit.value) == true, "\(answer as Any)")
            #expect(await connection.closes())
            #expect(stub.named == [])
        }
    }

    @Test(arguments: [
        "GET\r\n\r\n", "nonsense\r\n\r\n", "GET / HTTP/9.9\r\nHost: a\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\u{0}",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "GET / HTTP/1.1\r\nHo st: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "FETCH / HTTP/1.1\r\nHost: a\r\n\r\n",
    ]) func anInvalidRequestIsRefusedAndTheConnectionClosed(text: String) async throws {
        try await withStubRESTConnection { connection, _, _ in
            try await connection.send(text)
            let answer = try await connection.answer()
            #expect(answer?.status == 400 && answer?.message != nil, "\(answer as Any)")
            if answer?.closes == true { #expect(await connection.closes()) }
        }
    }

    @Test func aBadChunkSizeIsRefused() async throws {
        try await withStubRESTConnection { connection, _, stub in
            try await connection.send("POST", namePath, headers: ["Transfer-Encoding: chunked"])
            try await connection.send("zz\r\n")
            let answer = try await connection.answer()
            #expect(answer?.status == 400 && answer?.closes == true)
            #expect(await connection.closes())
        }
    }

    @Test func anUnknownPathIs404() async throws {
        try await withStubRESTConnection { connection, _, _ in
            for path in [
                "/", "/nothing", "/partners/p/cohorts/users/more", "/%00", "/../etc", "/partners/%2e%2e/cohorts/x",
            ] {
                try await connection.send("GET", path)
                let answer = try await connection.answer()
                #expect(answer?.status == 404 && answer?.message == "there is nothing at this path")
                #expect(answer?.headers["content-type"] == "application/json")
            }
        }
    }

    @Test func anotherMethodIs405WithTheAllowedOnes() async throws {
        try await withStubRESTConnection { connection, _, _ in
            for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
                try await connection.send(method, namePath)
                let answer = try await connection.answer()
                #expect(answer?.status == 405 && answer?.headers["allow"] == "POST" && answer?.message != nil)
            }
        }
    }

    @Test func aResponseToHEADHasNoBody() async throws {
        try await withStubRESTConnection { connection, _, stub in
            try await connection.send("HEAD", "/nothing")
            try await connection.send("POST", namePath, body: stub.naming())
            // The length of the body that GET would have, and then the next answer at once.
            #expect(await eventually { connection.text().contains("\r\n\r\nHTTP/1.1 201 Created\r\n") })
            let text = connection.text()
            #expect(
                text.hasPrefix("HTTP/1.1 404 Not Found\r\n") && text.lowercased().contains("content-length: 43\r\n"))
        }
    }
}
