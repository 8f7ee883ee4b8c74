import Logging
import MusterHandlers
import MusterProtocol
import MusterRPC
import MusterTestSupport
import TestSupport
import Testing

/// People's identifiers and secrets stand in no log and in no error.
@Suite struct LogPrivacyTests {
    /// Stands in every identifier and secret of these tests.
    private static let canary = "CaNaRy"

    @Test func noLogAndNoErrorShowsAnIdentifierOrASecret() async throws {
        try await TestDatabase.with { database in
            let log = CapturedLog(level: .trace)
            let workspace = try await database.makeAdministered("test")
            let server = try await TestServer(databaseURL: database.serverURL, workspace: workspace, logger: log.logger)
            let session = try await RawSession.open(server)
            let secret = try await makeKey(session)
            for (method, body) in Self.requests {
                let answer = try await session.answer(method, body)
                if case .error(let error) = answer { expectSilent(Answer.error(error).text, secret, workspace, method) }
            }
            try await sendBadBytes(server, secret, workspace)
            // A fault of the database that quotes the row it refuses.
            try await database.run(
                "ALTER TABLE registered_user ADD CONSTRAINT made_for_this_test CHECK (external_id NOT LIKE '%-refused') NOT VALID"
            )
            let refused = try await session.answer(UpsertUsers.method, #"{"users":[{"external_id":"CaNaRy-refused"}]}"#)
            #expect(refused.code == .internal)
            expectSilent(refused.text, secret, workspace, "internal")
            let bad = try await RawConnection(port: server.rpc.boundPort ?? 0)
            try await bad.send(request(1, OpenSession.method, #"{"key":"\#(secret.dropLast())"}"#))
            for frame in try await bad.rest() { expectSilent("\(frame)", secret, workspace, "open") }
            await server.stop()
            #expect(log.everything.count > Self.requests.count, "every call leaves a line at this level")
            #expect(
                log.everything.contains { $0.contains("made_for_this_test") || $0.contains("23514") },
                "the cause is told")
            for line in log.everything { expectSilent(line, secret, workspace, "log") }
        }
    }

    private func expectSilent(_ text: String, _ secret: String, _ workspace: NewWorkspace, _ place: String) {
        for hidden in [Self.canary, secret, String(secret.dropFirst(12)), workspace.adminKey.text] {
            #expect(!text.contains(hidden), "\(place): \(text.replacing(hidden, with: "‹found›"))")
        }
        let lower = Self.canary.lowercased()
        #expect(!text.lowercased().contains(lower), "\(place): \(text)")
    }

    private func makeKey(_ session: RawSession) async throws -> String {
        let answer = try await session.answer(CreateKey.method, #"{"kind":"service","name":"x","scopes":["*"]}"#)
        guard case .reply(let body) = answer else { throw TookTooLong() }
        return try JSONDecoding.decode(CreateKey.Reply.self, from: Array(body.utf8)).secret
    }

    /// What is refused as a message has the canary where it is refused.
    private func sendBadBytes(_ server: TestServer, _ secret: String, _ workspace: NewWorkspace) async throws {
        let bodies = [
            #"{"users":[{"CaNaRy":1,"CaNaRy":2}]}"#, #"{"users":CaNaRy}"#, #"{"users":{"CaNaRy":[]}}"#,
            #"{"users":[{"aliases":[{"alias_label":"CaNaRy"}]}]}"#, #"{"users":[{"external_id":["CaNaRy"]}]}"#,
            #"{"users":"CaNaRy"}"#, #"{"users":[{"attributes":{"CaNaRy @":1e400}}]}"#,
        ]
        for body in bodies {
            let session = try await RawSession.open(server)
            let answer = try await session.answer(UpsertUsers.method, body)
            #expect(answer.code == .invalidArgument)
            expectSilent(answer.text, secret, workspace, body)
            await session.connection.close()
        }
        // Refused as entries: the others of such a call are applied.
        for text in [#"CaNaRy\u0000"#, #"CaNaRy\ud800"#] {
            let session = try await RawSession.open(server)
            let answer = try await session.answer(UpsertUsers.method, #"{"users":[{"external_id":"\#(text)"}]}"#)
            #expect(answer.text.contains("refused"))
            expectSilent(answer.text, secret, workspace, text)
            await session.connection.close()
        }
        let strange = try await RawSession.open(server)
        expectSilent(try await strange.answer("CaNaRy.get", "{}").text, secret, workspace, "method")
    }

    private static let user = #"{"external_id":"CaNaRy-1"}"#
    private static let alias = #"{"alias":{"alias_label":"CaNaRy","alias_name":"CaNaRy"}}"#
    private static let c = #""partner":"p","cohort_id":"c""#

    /// What goes well, and all that people's identifiers can be refused for.
    private static let requests: [(String, String)] = [
        (SetPartner.method, #"{"partner":"p","partner_api_key":"CaNaRyCaNaRyCaNaRy"}"#),
        (SetPartner.method, #"{"partner":"p","partner_api_key":"CaNaRy"}"#),
        (
            UpsertUsers.method,
            #"{"users":[{"external_id":"CaNaRy-1","aliases":[{"alias_label":"CaNaRy","alias_name":"CaNaRy"}],"device_ids":["CaNaRy-d"],"attributes":{"CaNaRy":"CaNaRy"}}],"request_id":"r-1"}"#
        ),
        (UpsertUsers.method, #"{"users":[{"external_id":"CaNaRy-2"}],"request_id":"r-1"}"#),
        (UpsertUsers.method, #"{"users":[{"device_ids":["CaNaRy-e"]},{"external_id":"CaNaRy-2"}]}"#),
        (GetUser.method, #"{"user":\#(user)}"#), (GetUser.method, #"{"user":{"external_id":"CaNaRy-9"}}"#),
        (GetUser.method, #"{"user":{"external_id":"CaNaRy\n"}}"#),
        (GetUser.method, #"{"user":{"external_id":"CaNaRy-1","device_id":"CaNaRy"}}"#),
        (IdentifyUser.method, #"{"user":\#(alias),"external_id":"CaNaRy-3"}"#),
        (IdentifyUser.method, #"{"user":{"device_id":"CaNaRy-9"},"external_id":"CaNaRy-3"}"#),
        (IdentifyUser.method, #"{"user":{"device_id":"CaNaRy-e"},"external_id":"CaNaRy-2"}"#),
        (MergeUsers.method, #"{"merge":\#(user),"keep":\#(alias)}"#),
        (MergeUsers.method, #"{"merge":{"device_id":"CaNaRy-8"},"keep":\#(user)}"#),
        (
            ImportCohort.method,
            #"{\#(c),"cohort_changes":[{"user_ids":["CaNaRy-1","CaNaRy-8","CaNaRy\n"],"device_ids":["CaNaRy-d"]}],"request_id":"r-2"}"#
        ),
        (ImportCohort.method, #"{\#(c),"cohort_changes":[{"user_ids":["CaNaRy-2"]}],"request_id":"r-2"}"#),
        (ImportCohort.method, #"{"partner":"CaNaRy","cohort_id":"c","cohort_changes":[]}"#),
        (
            CreateSegment.method,
            #"{"segment_id":"s","name":"x","filter":{"any":[{"cohort":{\#(c)}},{"attribute":{"name":"CaNaRy","comparison":"equals","value":"CaNaRy"}}]}}"#
        ),
        (
            CreateSegment.method,
            #"{"name":"x","filter":{"attribute":{"name":"CaNaRy","comparison":"after","value":"CaNaRy"}}}"#
        ),
        (
            CreateSegment.method,
            #"{"name":"x","filter":{"attribute":{"name":"CaNaRy","comparison":"CaNaRy","value":"CaNaRy"}}}"#
        ),
        (SizeSegment.method, #"{"segment_id":"s","with_nodes":true}"#),
        (ListSegmentMembers.method, #"{"segment_id":"s","page_size":1}"#),
        (ListSegmentMembers.method, #"{"segment_id":"s","page_token":"CaNaRy"}"#),
        (CheckSegments.method, #"{"users":[\#(user),\#(alias),{"device_id":"CaNaRy"}],"segments":["s"]}"#),
        (SegmentsOfUser.method, #"{"user":\#(user)}"#), (SegmentsOfUser.method, #"{"user":{"device_id":"CaNaRy"}}"#),
        (ListCohortMembers.method, "{\(c)}"), (InvalidateKey.method, #"{"key_id":"CaNaRy"}"#),
        (DeleteUsers.method, #"{"users":[\#(user),{"external_id":"CaNaRy-9"}],"request_id":"r-3"}"#),
        (DeleteUsers.method, #"{"users":[\#(alias)],"request_id":"r-3"}"#),
    ]
}
