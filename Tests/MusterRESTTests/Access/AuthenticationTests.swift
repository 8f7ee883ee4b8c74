import MusterTestSupport
import TestSupport
import Testing

/// What a request costs before its call runs.
@Suite struct AuthenticationTests {
    /// The key is looked up once by the first request, then proved once for each; the partner is read once for each.
    @Test func eachKeyIsProvedOnceAndEachRowReadOnceInARequest() async throws {
        try await withStubRESTConnection { connection, _, stub in
            stub.gates.open("c")
            for count in 0..<3 {
                try await connection.send("POST", importPath, body: stub.importing("c"))
                #expect(try await connection.answer()?.status == 201)
                #expect(stub.checks == (opened: 1, proofs: count, partnerReads: count + 1))
            }
        }
    }

    @Test func theKeyOfAServiceIsProvedOnceInARequest() async throws {
        try await withStubRESTConnection { connection, _, stub in
            for count in 0..<3 {
                let headers = ["Authorization: Bearer \(stub.serviceKey)"]
                try await connection.send("GET", "/campaigns/list", headers: headers)
                #expect(try await connection.answer()?.status == 200)
                #expect(stub.checks == (opened: 1, proofs: count, partnerReads: 0))
            }
        }
    }
}
