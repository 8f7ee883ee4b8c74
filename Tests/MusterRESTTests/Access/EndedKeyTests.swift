import MusterHTTP
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import TestSupport
import Testing

/// A key that ends while its request is on the way.
@Suite struct EndedKeyTests {
    /// The header proves the key for a second. Within it the key is invalidated, and then the body comes.
    @Test func aKeyThatEndsDuringItsRequestMakesNoCall() async throws {
        try await withMuster { muster in
            // On a slow machine the second may pass; then the request is refused for another reason.
            for _ in 0..<5 { if try await refusal(by: muster) < KeyRevocationMonitor.maxAge { return } }
            Issue.record("no request was as fast as a proof lasts")
        }
    }

    /// Sends such a request and expects that it is refused. Returns how long it took from its first byte on.
    private func refusal(by muster: MusterUnderTest) async throws -> Duration {
        let body = #"{"attributes":[{"external_id":"late"}]}"#
        let made = try await muster.send(CreateKey(kind: .service, name: "k", scopes: ["*"]))
        let connection = try await RawHTTP(port: try await muster.server.restPort())
        let began = ContinuousClock.now
        try await connection.send(
            "POST", "/users/track",
            headers: ["Authorization: Bearer \(made.secret)", "Content-Length: \(body.utf8.count)"])
        try await connection.send(String(body.prefix(1)))
        #expect(await eventually { muster.server.rest.authenticatedBodyBytes == 1 })
        _ = try await muster.send(InvalidateKey(keyID: made.keyID))
        #expect(
            try await eventually {
                try await muster.server.rest("GET", "/segments/list", bearer: made.secret).status == 401
            })
        try await connection.send(String(body.dropFirst()))
        #expect(try await connection.answer()?.status == 401)
        let took = ContinuousClock.now - began
        await connection.close()
        let nobody = await rpcError { try await muster.send(GetUser(user: .externalID("late"))) }
        #expect(nobody?.code == .notFound)
        return took
    }
}
