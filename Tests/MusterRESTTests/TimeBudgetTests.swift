import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Postgres
import Testing

@testable import MusterREST

/// What a request's time is spent by.
@Suite struct TimeBudgetTests {
    @Test func whatTheClientTakesForItsBodyIsNoTimeOfTheServers() async throws {
        try await withConnection { connection, _, stage in
            let body = Array(stage.naming())
            try await connection.send("POST", namePath, headers: ["Content-Length: \(body.count)"])
            let pause = (Limits.restTime.value + 400) / 10
            for part in stride(from: 0, to: body.count, by: body.count / 10 + 1) {
                try await Task.sleep(for: .milliseconds(pause))
                try await connection.send(String(body[part..<min(part + body.count / 10 + 1, body.count)]))
            }
            #expect(try await connection.answer()?.status == 201)
        }
    }

    private static let long: [(path: String, body: String)] = [
        ("/users/track/bulk", #"{"attributes":[{"external_id":"u-1","n":2}]}"#),
        (
            "/users/identify",
            #"{"aliases_to_identify":[{"external_id":"new","user_alias":{"alias_label":"l","alias_name":"a"}}]}"#
        ),
        (
            "/users/merge",
            #"{"merge_updates":[{"identifier_to_merge":{"external_id":"u-1"},"identifier_to_keep":{"external_id":"u-2"}}]}"#
        ),
        ("/users/delete", #"{"external_ids":["u-1"]}"#),
    ]

    /// Every recorded write is held up for longer than a short request may take.
    @Test(arguments: long)
    func whatMayLastLongerIsNotGivenUp(path: String, body: String) async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            _ = try await muster.send(UpsertUsers(users: [UserEntry(aliases: [Alias(label: "l", name: "a")])]))
            try await TestDatabase.open(muster.database.ownerURL, connections: 1) { database in
                try await database.withConnection(deadline: .soon) { connection in
                    try connection.run(
                        script: """
                            CREATE FUNCTION in_the_way() RETURNS trigger LANGUAGE plpgsql AS $$
                                BEGIN PERFORM pg_sleep(2.3); RETURN NEW; END $$;
                            CREATE TRIGGER in_the_way BEFORE INSERT ON request_record
                                FOR EACH ROW EXECUTE FUNCTION in_the_way();
                            """)
                }
            }
            func post(_ path: String, _ body: String) async throws -> Int {
                try await muster.server.rest("POST", path, body, bearer: muster.server.workspace.adminKey.text).status
            }
            #expect(try await post("/users/track", #"{"attributes":[{"external_id":"u-1","n":1}]}"#) == 504)
            #expect(try await muster.send(GetUser(user: .externalID("u-1"))).attributes["n"] == nil)
            let status = try await post(path, body)
            #expect([201, 202].contains(status), "\(path): \(status)")
        }
    }
}
