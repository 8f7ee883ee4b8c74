import HTTPTypes
import HummingbirdCore
import MusterListener
import MusterMetrics
import MusterProtocol
import MusterTestSupport
import NIOCore
import TestSupport
import Testing

@testable import MusterHTTP

/// Every HTTP response is counted, whichever layer sends it; unread responses are bounded.
@Suite struct CountedHTTPAnswerTests {
    /// Answers by status.
    private func counted(_ server: HTTPServer) -> [String: Int] {
        var page = Exposition()
        server.writeMetrics(to: &page)
        let prefix = #"muster_http_answers_total{status=""#
        let lines = page.text.split(separator: "\n").filter { $0.hasPrefix(prefix) }
        return Dictionary(
            uniqueKeysWithValues: lines.map { line in
                let parts = line.dropFirst(prefix.count).split(separator: "\"} ")
                return (String(parts[0]), Int(parts[1]) ?? -1)
            })
    }

    @Test func eachRefusalIsCountedByTheCodeThatIsSent() async throws {
        var bounds = HTTPServerSettings.Bounds.quick
        bounds.connections = 3
        try await withStubREST(bounds: bounds, stub: StubREST(maxInFlightPerKey: 1)) { server, stub in
            var received: [String: Int] = [:]
            func take(_ answer: RawAnswer?) { received[answer.map { "\($0.status)" } ?? "none", default: 0] += 1 }

            let held = try await RawHTTP(port: server.port)
            try await held.send("POST", importPath, body: stub.importing("a"))
            #expect(await eventually { stub.gates.arrived == ["a"] })
            // Each on a connection of its own, since most end theirs.
            let requests: [(String, String, [String], String?)] = [
                ("POST", namePath, [], stub.naming()),  // the key's bound
                ("POST", namePath, [], #"{"client_secret":"no key"}"#),
                ("POST", namePath, [], "{"),
                ("POST", namePath, ["Content-Encoding: br"], "{}"),
                ("POST", namePath, ["Content-Length: 5000000"], nil),
                ("GET", "/nothing", [], nil),
                ("GET", namePath, [], nil),
                ("GET", "/nothing", ["A: \(String(repeating: "a", count: 9_000))"], nil),
                ("GET", "/nothing", ["Transfer-Encoding: gzip"], nil),
                ("GET", "/no thing", [], nil),
            ]
            for (method, path, headers, body) in requests {
                let connection = try await RawHTTP(port: server.port)
                try await connection.send(method, path, headers: headers, body: body)
                take(try await connection.answer())
                await connection.close()
                #expect(await eventually { server.status.connections == 1 })
            }
            // Beyond the bound of connections, those of known keys.
            stub.gates.open("a")
            take(try await held.answer())
            var known = [held]
            for _ in 0..<2 {
                let connection = try await RawHTTP(port: server.port)
                try await connection.send("POST", namePath, body: stub.naming())
                take(try await connection.answer())
                known.append(connection)
            }
            let surplus = try await RawHTTP(port: server.port)
            take(try await surplus.answer())
            for connection in known + [surplus] { await connection.close() }
            #expect(received["429"] == 1 && received["503"] == 1 && received["431"] == 1 && received["none"] == nil)
            #expect(received.values.reduce(0, +) == requests.count + 4)
            #expect(counted(server) == received)
        }
    }

    @Test func everyStatusIsCountedByItsName() {
        let metrics = HTTPMetrics(routes: [])
        for status in 100..<600 { metrics.answered(status) }
        var page = Exposition()
        metrics.write(to: &page)
        for status in 100..<600 { #expect(page.text.contains("muster_http_answers_total{status=\"\(status)\"} 1")) }
    }

    /// More than the system takes of an answer that nobody reads: up to 4 MiB, as much as it sent to this host before.
    private static let largeBytes = 8 << 20

    /// A server whose every answer is large.
    private func withLarge(
        _ bounds: HTTPServerSettings.Bounds, _ body: (HTTPServer) async throws -> Void
    ) async throws {
        let server = HTTPServer(
            name: "Test", settings: .init(listener: .init(port: 0, allowPlaintext: true), bounds: bounds),
            logger: quietLogger
        ) { _ in
            RoutedResponse(
                Response(status: .ok, body: .init(byteBuffer: .init(repeating: 0x78, count: Self.largeBytes))))
        }
        try await server.start()
        let result: Result<Void, any Error>
        do { result = .success(try await body(server)) } catch { result = .failure(error) }
        await server.abortNow()
        try result.get()
    }

    @Test func beyondTheBudgetConnectionsThatDoNotReadAreClosed() async throws {
        var bounds = HTTPServerSettings.Bounds.quick
        bounds.unreadAnswers = 2 * Self.largeBytes
        try await withLarge(bounds) { server in
            var peers: [RawHTTP] = []
            for _ in 0..<12 {
                let peer = try await RawHTTP(port: server.port, reads: false)
                try await peer.send("GET", "/")
                peers.append(peer)
            }
            #expect(await eventually { server.unreadAborts >= 3 && server.answerBytes <= bounds.unreadAnswers })
            try await Task.sleep(for: .seconds(2))
            for _ in 0..<5 {
                let reading = try await RawHTTP(port: server.port)
                try await reading.send("GET", "/")
                #expect(try await reading.answer()?.body.utf8.count == Self.largeBytes)
                await reading.close()
            }
            for peer in peers { await peer.close() }
            #expect(await eventually { server.answerBytes == 0 })
        }
    }
}
