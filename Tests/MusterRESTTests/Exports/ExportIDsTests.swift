import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Testing

@Suite struct ExportIDsTests {
    /// An answer, and a user of it.
    struct Answer: Decodable {
        let message: String
        let users: [ExportedUser]
        let invalidUserIDs: [String]

        enum CodingKeys: String, CodingKey {
            case message, users
            case invalidUserIDs = "invalid_user_ids"
        }
    }

    @Test func anExportedUserHasAllFieldsInBrazesForm() async throws {
        try await withMuster { muster in
            try await seed(muster)
            let reply = try await export(muster, #"{"external_ids":["ada"]}"#)
            #expect(reply.status == 201)
            let answer = try reply.decode(Answer.self)
            #expect(answer.message == "success" && answer.invalidUserIDs.isEmpty)
            let user = try #require(answer.users.first?.fields)
            #expect(user["external_id"] == "ada")
            #expect(user["first_name"] == "Ada" && user["country"] == "FR")
            #expect(user["custom_attributes"]?.text == #"{"plan":"gold","visits":7}"#)
            #expect(user["user_aliases"]?.text == #"[{"alias_label":"crm","alias_name":"4711"}]"#)
            #expect(user["devices"]?.text == #"[{"device_id":"phone-1"}]"#)
            #expect(user["plan"] == nil)
            let created = try await muster.send(GetUser(user: .externalID("ada"))).createdAt
            #expect(user["created_at"] == .string(Array(created.iso8601.utf8)))
            #expect((0..<10_000).contains { user["random_bucket"] == .integer($0) })
            #expect(!reply.text.contains("cohort"))
        }
    }

    @Test func everyIdentifierFindsItsUser() async throws {
        try await withMuster { muster in
            _ = try await muster.send(
                UpsertUsers(users: [
                    UserEntry(externalID: "ada", attributes: ["email": "Ada@example.com", "phone": "+331"]),
                    UserEntry(externalID: "ben", attributes: ["email": "ada@example.com"]),
                ]))
            let brazeID = try await muster.send(GetUser(user: .externalID("ben"))).brazeID.text
            func found(_ body: String) async throws -> [AttributeValue?] {
                try await export(muster, body).decode(Answer.self).users.map { $0.fields["external_id"] }
            }
            #expect(try await found(#"{"braze_id":"\#(brazeID)"}"#) == ["ben"])
            #expect(try await found(#"{"phone":"+331"}"#) == ["ada"])
            // All users with the address.
            #expect(try await found(#"{"email_address":"ADA@example.com"}"#) == ["ada", "ben"])
            #expect(try await export(muster, #"{"phone":"1"}"#).decode(Answer.self).invalidUserIDs == ["1"])
        }
    }

    @Test func eventsAndPurchasesAreSummedUp() async throws {
        try await withMuster(users: ["ada", "ben"]) { muster in
            try await muster.database.run(
                """
                INSERT INTO user_event (workspace_id, user_number, occurred_at, name, version, place)
                SELECT workspace_id, 0, at::timestamptz, e.name, 1, 0
                FROM (VALUES ('2026-11-01 00:00Z', 'seen'), ('2026-11-03 00:00Z', 'seen'), ('2026-11-02 00:00Z', 'left')) e (at, name), workspace WHERE workspace.name = 'test';
                INSERT INTO user_purchase (workspace_id, user_number, occurred_at, product_id, currency, quantity,
                    amount_millionths, version, place)
                SELECT workspace_id, 0, at::timestamptz, 'hat', 'EUR', 1, amount, 1, 0
                FROM (VALUES ('2026-11-01 00:00Z', 12340000), ('2026-11-04 00:00Z', 660000)) p (at, amount), workspace WHERE workspace.name = 'test';
                """)
            let answer = try await export(muster, #"{"external_ids":["ada","ben"]}"#).decode(Answer.self)
            let user = try #require(answer.users.first?.fields)
            #expect(
                user["custom_events"]?.text == """
                    [{"name":"left","first":"2026-11-02T00:00:00Z","last":"2026-11-02T00:00:00Z","count":1},\
                    {"name":"seen","first":"2026-11-01T00:00:00Z","last":"2026-11-03T00:00:00Z","count":2}]
                    """)
            #expect(
                user["purchases"]?.text
                    == #"[{"name":"hat","first":"2026-11-01T00:00:00Z","last":"2026-11-04T00:00:00Z","count":2}]"#)
            #expect(user["total_revenue"] == 13)
            #expect(answer.users[1].fields["purchases"] == nil && answer.users[1].fields["total_revenue"] == nil)
        }
    }

    @Test func missingValuesAreMissingFields() async throws {
        try await withMuster { muster in
            try await seed(muster)
            let reply = try await export(
                muster, #"{"user_aliases":[{"alias_name":"visitor-9","alias_label":"web","more":1}]}"#)
            let user = try #require(try reply.decode(Answer.self).users.first?.fields)
            let names = user.entries.map { String(decoding: $0.name, as: UTF8.self) }
            #expect(Set(names).isSubset(of: ["user_aliases", "random_bucket", "created_at", "braze_id"]))
            #expect(user["user_aliases"] != nil && user["external_id"] == nil)
        }
    }

    @Test func onlyRequestedFieldsAreExported() async throws {
        try await withMuster { muster in
            try await seed(muster)
            let body = #"{"external_ids":["ada"],"fields_to_export":["external_id","custom_attributes","apps"]}"#
            let user = try #require(try await export(muster, body).decode(Answer.self).users.first)
            #expect(
                try JSONEncoding.encode(user)
                    == Array(#"{"external_id":"ada","custom_attributes":{"plan":"gold","visits":7}}"#.utf8))
        }
    }

    @Test func unknownUsersAreListedAndTheOthersExported() async throws {
        try await withMuster(users: ["12345"]) { muster in
            try await seed(muster)
            let body = """
                {"external_ids":[12345,"nobody","ada","ada"],"device_id":"phone-1","extra":true,
                "user_aliases":[{"alias_name":"nobody-2","alias_label":"crm"}]}
                """
            let answer = try await export(muster, body).decode(Answer.self)
            #expect(answer.users.map { $0.fields["external_id"] } == ["12345", "ada"])
            #expect(answer.invalidUserIDs == ["nobody", "nobody-2"])
            let empty = try await export(muster, #"{"external_ids":["x"]}"#)
            #expect(empty.status == 201)
            #expect(empty.text == #"{"users":[],"message":"success","invalid_user_ids":["x"]}"#)
        }
    }

    @Test func randomBucketsAreStableAndSpread() async throws {
        try await withMuster(users: (0..<50).map { Identifier("u-\($0)") }) { muster in
            let ids = (0..<50).map { "\"u-\($0)\"" }.joined(separator: ",")
            let body = #"{"external_ids":[\#(ids)],"fields_to_export":["external_id","random_bucket"]}"#
            let first = try await export(muster, body).decode(Answer.self).users
            _ = try await muster.send(UpsertUsers(users: [UserEntry(externalID: "u-7", attributes: ["a": 1])]))
            #expect(try await export(muster, body).decode(Answer.self).users == first)
            #expect(Set(first.map { $0.fields["random_bucket"] }).count > 40)
        }
    }

    @Test func tooManyUsersNoUsersAndNonsenseAreRefused() async throws {
        try await withMuster { muster in
            let many = (0..<51).map { "\"u-\($0)\"" }.joined(separator: ",")
            let refused = [
                (
                    #"{"external_ids":[\#(many)]}"#,
                    "The max number of external_ids and aliases per request was exceeded"
                ),
                ("{}", "is required"),
                (#"{"external_ids":"ada"}"#, "external_ids must be"),
                (#"{"external_ids":["a",true]}"#, "external_ids[1] must be"),
                (#"{"user_aliases":[{"alias_name":"x"}]}"#, "alias_label is missing"),
                (#"{"external_ids":["a"],"fields_to_export":[7]}"#, "fields_to_export[0] must be"),
                ("[]", "must be"),
                ("{", "JSON"),
            ]
            for (body, message) in refused {
                let reply = try await export(muster, body)
                #expect(reply.status == 400, "\(body): \(reply.text)")
                #expect(try reply.problem.message.contains(message), "\(body): \(reply.text)")
            }
        }
    }

    @Test func theKeyDecides() async throws {
        try await withMuster(users: ["ada"]) { muster in
            let body = #"{"external_ids":["ada"]}"#
            let other = try await muster.send(CreateKey(kind: .service, name: "x", scopes: ["users.get"])).secret
            let own = try await muster.send(CreateKey(kind: .service, name: "x", scopes: ["users.export.ids"])).secret
            let importing = try await muster.send(CreateKey(kind: .import, partner: "tinyclues", name: "x")).secret
            let path = "/users/export/ids"
            #expect(try await muster.server.rest("POST", path, body).status == 401)
            #expect(try await muster.server.rest("POST", path, body, bearer: "nonsense").status == 401)
            #expect(try await muster.server.rest("POST", path, body, bearer: importing).status == 401)
            #expect(try await muster.server.rest("POST", path, body, bearer: other).status == 403)
            #expect(try await muster.server.rest("POST", path, body, bearer: own).status == 201)
        }
    }

    private func export(_ muster: MusterUnderTest, _ body: String) async throws -> RESTReply {
        try await muster.admin("POST", "/users/export/ids", body)
    }

    private func seed(_ muster: MusterUnderTest) async throws {
        _ = try await muster.send(
            UpsertUsers(users: [
                UserEntry(
                    externalID: "ada", aliases: [Alias(label: "crm", name: "4711")], deviceIDs: ["phone-1"],
                    attributes: ["first_name": "Ada", "country": "FR", "plan": "gold", "visits": 7]),
                UserEntry(aliases: [Alias(label: "web", name: "visitor-9")]),
            ]))
    }
}

extension AttributeValue {
    /// A list or object as it was written.
    fileprivate var text: String? {
        guard case .other(let json) = self else { return nil }
        return json.text
    }
}
