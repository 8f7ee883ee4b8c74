import MusterProtocol
import MusterTestSupport
import Testing

/// What the contract calls each kind of content that is wrong.
@Suite struct PartnerContentTests {
    private static let cohortID = "`cohort_id` must be a valid string"
    private static let changes =
        "`cohort_changes` must be an array of objects each with key `user_ids` and/or `device_ids` mapping to an array of strings, or an `aliases` object"
    private static let name = "`name` must be a non-empty string"
    private static let createdAt = "`created_at` must be a valid time as an ISO-8601 string"

    @Test func anInvalidCohortNameIsRefusedInTheContractsWords() async throws {
        let time = #""created_at":"2024-01-01""#
        let rows: [(String, String)] = [
            (#""name":"C",\#(time)"#, Self.cohortID),
            (#""cohort_id":null,"name":"C",\#(time)"#, Self.cohortID),
            (#""cohort_id":7,"name":"C",\#(time)"#, Self.cohortID),
            (#""cohort_id":"","name":"C",\#(time)"#, Self.cohortID),
            (#""cohort_id":"a\u0007b","name":"C",\#(time)"#, Self.cohortID),
            (#""cohort_id":"\#(String(repeating: "x", count: 257))","name":"C",\#(time)"#, Self.cohortID),
            (#""cohort_id":"c",\#(time)"#, Self.name),
            (#""cohort_id":"c","name":"",\#(time)"#, Self.name),
            (#""cohort_id":"c","name":{},\#(time)"#, Self.name),
            (#""cohort_id":"c","name":"\#(String(repeating: "x", count: 513))",\#(time)"#, Self.name),
            (#""cohort_id":"c","name":"C""#, Self.createdAt),
            (#""cohort_id":"c","name":"C","created_at":null"#, Self.createdAt),
            (#""cohort_id":"c","name":"C","created_at":1700000000"#, Self.createdAt),
            (#""cohort_id":"c","name":"C","created_at":"yesterday""#, Self.createdAt),
            (#""cohort_id":"c","name":"C","created_at":"2023-02-29""#, Self.createdAt),
            (#""cohort_id":"c","name":"C","created_at":"2026-11-20T19:20:30+100""#, Self.createdAt),
        ]
        try await expect(rows, at: "")
    }

    @Test func anInvalidChangeIsRefusedInTheContractsWordsAndAppliesNothing() async throws {
        let good = #"{"user_ids":["u-1"]}"#
        let wrong = [
            #"{}"#, #"{"should_remove":true}"#, #"{"user_ids":"u-1"}"#, #"{"user_ids":[7]}"#, #"{"user_ids":[null]}"#,
            #"{"device_ids":{}}"#, #"{"aliases":{"alias_label":"l","alias_name":"n"}}"#, #"{"aliases":["n"]}"#,
            #"{"aliases":[{"alias_name":"n"}]}"#, #"{"aliases":[{"alias_label":7,"alias_name":"n"}]}"#,
            #"{"user_ids":["u-1"],"should_remove":"yes"}"#, #""u-1""#, "null",
        ]
        var rows: [(String, String)] = wrong.map {
            (#""cohort_id":"c","cohort_changes":[\#(good),\#($0)]"#, Self.changes)
        }
        for value in [#""x""#, "7", "null", #"{"user_ids":["u-1"]}"#] {
            rows.append((#""cohort_id":"c","cohort_changes":\#(value)"#, Self.changes))
        }
        rows.append((#""cohort_id":"c""#, Self.changes))
        rows.append((#""cohort_changes":[\#(good)]"#, Self.cohortID))
        rows.append((#""cohort_id":"","cohort_changes":[\#(good)]"#, Self.cohortID))
        try await expect(rows, at: "/users")
    }

    private func expect(_ rows: [(String, String)], at path: String) async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let connector = try await Connector(muster)
            for (fields, message) in rows {
                let reply = try await connector.post(path, fields)
                #expect(reply.status == 400 && reply.message == message, "\(fields): \(reply.text)")
                #expect(reply.headers["x-ratelimit-limit"] == "250000")
            }
            #expect(try await muster.send(ListCohorts()).cohorts.isEmpty)
        }
    }

    @Test func errorsDetailTheContractsSentence() async throws {
        try await withMuster { muster in
            let connector = try await Connector(muster)
            let reply = try await connector.change("c", #"{"user_ids":["u-1",7]}"#)
            #expect(
                try reply.decode(PartnerAnswer.self).errors
                    == ["cohort_changes[0].user_ids[1] must be a string, and is a number"])
        }
    }

    /// Connectors never repeat a 400: a thousand identifiers would be lost for one.
    @Test(arguments: [#"\u0000"#, #"a\u0000b"#, #"\ud800"#, #"\udc00\ud800"#])
    func anUnstorableStringIsCountedAsInvalid(_ text: String) async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            let connector = try await Connector(muster)
            let change =
                #"{"user_ids":["u-1","\#(text)","u-2"],"device_ids":["\#(text)"],"aliases":[{"alias_label":"l","alias_name":"\#(text)"}]}"#
            for _ in 0..<2 {  // the second is the recorded answer
                let reply = try await connector.change("c", change, idempotencyKey: "k")
                #expect(reply.status == 201, "\(reply.text)")
                #expect(reply.imported?.version == 1 && reply.imported?.size == 2)
                #expect(reply.imported?.receipt == Receipt(received: 5, added: 2, invalid: 3))
            }
            let name = try await connector.post("", #""cohort_id":"c","name":"\#(text)","created_at":"2024-01-01""#)
            #expect(name.status == 400 && name.message == Self.name)
            #expect(
                try name.decode(PartnerAnswer.self).errors
                    == ["name has U+0000 or half of a surrogate pair, which text can't contain"])
            let cohort = try await connector.change(text, #"{"user_ids":["u-1"]}"#)
            #expect(cohort.status == 400 && cohort.message == Self.cohortID)
            let secret = try await connector.send(
                "/users", #"{"client_secret":"\#(text)","cohort_id":"c","cohort_changes":[]}"#)
            #expect(secret.status == 401)
            #expect(try await muster.send(ListCohorts()).cohorts.count == 1)
        }
    }

    @Test func aMistypedCohortIsRefusedWithMustExist() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let connector = try await Connector(muster)
            func change(_ cohortID: String, _ mustExist: String) async throws -> RESTReply {
                let fields =
                    #""cohort_id":"\#(cohortID)","must_exist":\#(mustExist),"cohort_changes":[{"user_ids":["u-1"]}]"#
                return try await connector.post("/users", fields)
            }
            #expect(try await change("autumn", "false").status == 201)
            let refused = try await change("autum", "true")
            #expect(refused.status == 404 && refused.message?.contains("must_exist") == true)
            #expect(try await change("autumn", "true").status == 201)
            #expect(try await change("autumn", "\"yes\"").status == 400)
            #expect(try await muster.send(ListCohorts()).cohorts.map(\.cohortID) == ["autumn"])
        }
    }

    @Test func anUnreadableBodyIsRefusedWithThePosition() async throws {
        try await withMuster { muster in
            let connector = try await Connector(muster)
            for (body, problem) in [
                (
                    "{\"a\":\"\t\"}",
                    "the message is not valid JSON: a string has an unescaped control character, at byte 6"
                ),
                ("{\"a\":[1,]}", "the message is not valid JSON: it has an unexpected character, at byte 8"),
                ("{\"a\":1", "the message is not valid JSON: it ends too early, at byte 6"),
            ] {
                let reply = try await connector.send("/users", body)
                #expect(reply.status == 400 && reply.message == problem, "\(reply.text)")
            }
        }
    }

    @Test(arguments: ["", "{", "[]", "7", #"{"client_secret":"a","client_secret":"b"}"#, #"{"x":"\x0"}"#])
    func aBodyThatIsNotAJSONObjectIsRefused(_ body: String) async throws {
        try await withMuster { muster in
            let reply = try await Connector(muster).send("/users", body)
            #expect(reply.status == 400)
            #expect(reply.message != nil)
        }
    }
}
