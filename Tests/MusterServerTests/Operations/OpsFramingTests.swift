import MusterMetrics
import MusterTestSupport
import TestSupport
import Testing

@testable import muster_server

/// The listener for operators tells requests apart as the one for partners and services does: it may stand behind a
/// proxy too.
@Suite struct OpsFramingTests {
    private func withOps(_ body: (RawHTTP) async throws -> Void) async throws {
        let server = OpsServer(host: "127.0.0.1", port: 0, logger: quietLogger) {
            Readiness(postgres: true, schema: true, listening: true, draining: false)
        } metrics: {
            Exposition()
        }
        try await server.start()
        let connection = try await RawHTTP(port: try #require(server.boundPort))
        let result: Result<Void, any Error>
        do { result = .success(try await body(connection)) } catch { result = .failure(error) }
        await connection.close()
        await server.stop()
        try result.get()
    }

    @Test(arguments: [
        ("Transfer-Encoding: gzip, chunked", 501), ("Transfer-Encoding: identity, chunked", 501),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 501), ("Transfer-Encoding: chunked, chunked", 400),
        ("Transfer-Encoding : chunked", 400), ("Transfer-Encoding: chunked\r\nContent-Length: 0", 400),
        ("Content-Length: 0\r\nContent-Length: 0", 400), ("Content-Length: +0", 400), ("Content-Length:\r\n 0", 400),
        ("Host: b", 400), ("X: y\r\n z", 400), ("X: a\nY: b", 400), ("X: a\u{0}", 400),
    ]) func anAmbiguousRequestIsRefused(field: String, status: Int) async throws {
        try await refuses("GET /livez HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n0\r\n\r\n", with: status)
    }

    @Test(arguments: [
        "GET  /livez HTTP/1.1", "GET /livez  HTTP/1.1", "GET\t/livez HTTP/1.1", "GET /livez HTTP/1.1 ", "GET /livez",
    ]) func aRequestLineHasThreePartsAndTwoSpaces(line: String) async throws {
        try await refuses("\(line)\r\nHost: a\r\n\r\n", with: 400)
    }

    /// It takes no bodies, so that nothing after one is a request.
    @Test(arguments: ["Content-Length: 45", "Content-Length: 9223372036854775808", "Transfer-Encoding: chunked"])
    func aRequestWithABodyIsTheLastOfItsConnection(field: String) async throws {
        try await refuses("GET /livez HTTP/1.1\r\nHost: a\r\n\(field)\r\n\r\n", with: 200)
    }

    /// White space around a value is no part of it.
    @Test(arguments: ["Host: a ", "Host:\ta\t", "Host: a\r\nContent-Length: 0 ", "Host: a\r\nContent-Length:\t0  "])
    func whiteSpaceAroundAValueSkipsNoCheck(fields: String) async throws {
        try await withOps { connection in
            for _ in 0..<2 {
                try await connection.send("GET /livez HTTP/1.1\r\n\(fields)\r\n\r\n")
                #expect(try await connection.answer()?.status == 200)
            }
            try await connection.send("GET  /livez HTTP/1.1\r\nHost: a\r\n\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            let answer = try await connection.answer()
            #expect(answer?.status == 400 && answer?.closes == true, "\(answer as Any)")
            #expect(await connection.closes())
            #expect(connection.text() == "")
        }
    }

    @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
        try await withOps { connection in
            let targets = [("/livez", 200), ("/readyz", 200), ("/nothing", 404), ("/livez?a=b", 200)]
            try await connection.send(targets.map { "GET \($0.0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined())
            for (target, status) in targets {
                #expect(try await connection.answer()?.status == status, "\(target)")
            }
        }
    }

    /// What follows is never answered.
    private func refuses(_ text: String, with status: Int) async throws {
        try await withOps { connection in
            try await connection.send(text + "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
            let answer = try await connection.answer()
            #expect(answer?.status == status && answer?.closes == true, "\(answer as Any)")
            #expect(await connection.closes())
            #expect(connection.text() == "")
        }
    }
}
