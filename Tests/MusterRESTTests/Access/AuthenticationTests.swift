import MusterHTTP
import MusterTestSupport
import Testing

/// What a request costs before its call runs.
@Suite struct AuthenticationTests {
    /// The key is looked up once by the first request, then proved once for each; the partner is read once for each.
    @Test func eachKeyIsProvedOnceAndEachRowReadOnceInARequest() async throws {
        try await withConnection { connection, _, stage in
            stage.letGo("c")
            for count in 0..<3 {
                try await connection.send("POST", importPath, body: stage.importing("c"))
                #expect(try await connection.answer()?.status == 201)
                #expect(stage.checks == (opened: 1, proofs: count, partnerReads: count + 1))
            }
        }
    }

    @Test func theKeyOfAServiceIsProvedOnceInARequest() async throws {
        try await withConnection { connection, _, stage in
            for count in 0..<3 {
                let headers = ["Authorization: Bearer \(stage.serviceKey)"]
                try await connection.send("GET", "/campaigns/list", headers: headers)
                #expect(try await connection.answer()?.status == 200)
                #expect(stage.checks == (opened: 1, proofs: count, partnerReads: 0))
            }
        }
    }
}
