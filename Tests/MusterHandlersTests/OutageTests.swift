import MusterHandlers
import MusterProtocol
import MusterRPC
import MusterTestSupport
import Testing

/// What callers hear while PostgreSQL is away: UNAVAILABLE, soon, and afterwards all is as before.
@Suite struct OutageTests {
    @Test func everyCallIsUnavailableDuringAnOutageAndServedAfterwards() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let session = try await RawSession.open(muster.server)
            try await muster.database.setReachable(false)
            let clock = ContinuousClock()
            var first: Duration?
            for call in allCalls where call.method != OpenSession.method {
                let body = try example(of: call)
                var answer = Answer.reply("")
                let took = try await clock.measure { answer = try await session.answer(call.method, body) }
                #expect(answer.code == .unavailable, "\(call.method): \(answer.text)")
                first = first ?? took
                // The first call waits for PostgreSQL; once that failed, later ones fail at once.
                #expect(took < (first == took ? .seconds(5) : .seconds(3)), "\(call.method): \(took)")
            }
            let opened = try await clock.measure {
                let connection = try await RawConnection(port: muster.server.rpc.boundPort ?? 0)
                let key = muster.server.workspace.adminKey.text
                try await connection.send(request(1, OpenSession.method, #"{"key":"\#(key)"}"#))
                #expect(try await connection.next()?.code == .unavailable)
            }
            #expect(opened < .seconds(1))
            try await muster.database.setReachable(true)
            var isServing = false
            for _ in 0..<100 where !isServing {
                isServing = try await session.goesOn()
                if !isServing { try await Task.sleep(for: .milliseconds(100)) }
            }
            #expect(isServing)
        }
    }

    @Test func aServerThatNeverReachedItsDatabaseReportsIt() async throws {
        try await withMuster { muster in
            let server = try await TestServer(
                databaseURL: "host=/nowhere/to/be/found user=nobody", workspace: muster.server.workspace)
            let took = try await ContinuousClock().measure {
                let connection = try await RawConnection(port: server.rpc.boundPort ?? 0)
                let key = muster.server.workspace.adminKey.text
                try await connection.send(request(1, OpenSession.method, #"{"key":"\#(key)"}"#))
                #expect(try await connection.next()?.code == .unavailable)
            }
            #expect(took < .seconds(5))
            await server.stop()
        }
    }

    private func example(of call: any Call.Type) throws -> String {
        func text<C: Call>(_: C.Type) throws -> String {
            String(decoding: try JSONEncoding.encode(C.example.call), as: UTF8.self)
        }
        return try text(call)
    }
}
