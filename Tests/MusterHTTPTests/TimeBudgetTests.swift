import MusterProtocol
import MusterTestSupport
import Testing

/// What a request's time is spent by.
@Suite struct TimeBudgetTests {
    @Test func theTimeToReceiveTheBodyDoesNotCount() async throws {
        try await withStubRESTConnection { connection, _, stub in
            let body = Array(stub.naming())
            try await connection.send("POST", namePath, headers: ["Content-Length: \(body.count)"])
            let pause = (Limits.restTime.value + 400) / 10
            for part in stride(from: 0, to: body.count, by: body.count / 10 + 1) {
                try await Task.sleep(for: .milliseconds(pause))
                try await connection.send(String(body[part..<min(part + body.count / 10 + 1, body.count)]))
            }
            #expect(try await connection.answer()?.status == 201)
        }
    }
}
