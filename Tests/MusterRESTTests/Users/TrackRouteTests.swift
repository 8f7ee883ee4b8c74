import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Testing

/// `POST /users/track` and `/users/track/bulk`, as Braze's clients use them.
@Suite struct TrackRouteTests {
    private func post(
        _ muster: MusterUnderTest, _ body: String, _ path: String = "/users/track"
    ) async throws -> RESTReply { try await muster.post(path, body) }

    @Test func aRequestRegistersAUserAndReportsCounts() async throws {
        try await withMuster { muster in
            let all = try await post(
                muster,
                """
                {"attributes":[{"external_id":"u-1","email":"Ada@Example.com","country":"FR","partner":{"a":[1]}}],
                 "events":[{"external_id":"u-1","name":"signed_up","time":"2024-01-02T03:04:05+01:00"}],
                 "purchases":[{"external_id":"u-1","product_id":"book","currency":"EUR","price":12.5,"time":"2024-01-02"}],
                 "partner":"RudderStack","app_group_id":"x"}
                """)
            #expect(all.status == 201)
            #expect(
                all.text
                    == #"{"message":"success","attributes_processed":1,"events_processed":1,"purchases_processed":1}"#)
            let one = try await post(muster, #"{"attributes":[{"external_id":12345,"n":1}]}"#)
            #expect(one.text == #"{"message":"success","attributes_processed":1}"#)
            let user = try await muster.send(GetUser(user: .externalID("u-1")))
            #expect(user.attributes["email"] == "ada@example.com")
            #expect(user.attributes["country"] == "FR")
            #expect(try await muster.send(GetUser(user: .externalID("12345"))).attributes["n"] == 1)
        }
    }

    /// As 64-bit ids of other services are.
    @Test(arguments: ["/users/track", "/users/track/bulk"])
    func aNumberThatIsTooLargeRefusesItsObjectOnly(path: String) async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let answer = try await post(
                muster,
                """
                {"attributes":[{"external_id":"u-1","n":1},{"external_id":"u-1","fb_id":10158000000000000},
                    {"external_id":"u-1","deep":{"id":[9007199254740993]}},{"external_id":"u-1","n":{"inc":9007199254740993}},
                    {"external_id":1234567890123456789,"n":2},{"external_id":18446744073709551615,"n":3},
                    {"external_id":184467440737095516160,"n":3},{"external_id":"u-1","n":1e400}],
                 "events":[{"external_id":1234567890123456789,"name":"seen","time":"2024-01-01"},
                    {"external_id":"u-1","name":"seen","time":"2024-01-01","properties":{"id":-9223372036854775808}}],
                 "unknown":9007199254740993}
                """, path)
            #expect(answer.status == 201)
            let body: TrackUsers.Reply = try answer.decode()
            #expect((body.attributesProcessed, body.eventsProcessed) == (2, 1))
            #expect(
                body.errors == [
                    TrackError("'fb_id' is not valid: it has a number outside of ±2^53", in: .attributes, at: 1),
                    TrackError("'deep' is not valid: it has a number outside of ±2^53", in: .attributes, at: 2),
                    TrackError("'n' is not valid: it has a number outside of ±2^53", in: .attributes, at: 3),
                    TrackError("'external_id' is not valid", in: .attributes, at: 5),
                    TrackError("'external_id' is not valid", in: .attributes, at: 6),
                    TrackError("'n' is not valid: it has a number outside of ±2^53", in: .attributes, at: 7),
                    TrackError("'properties' is not valid: it has a number outside of ±2^53", in: .events, at: 1),
                ])
            #expect(try await muster.send(GetUser(user: .externalID("u-1"))).attributes == ["n": 1])
            #expect(try await muster.send(GetUser(user: .externalID("1234567890123456789"))).attributes == ["n": 2])
            let erased = try await muster.server.rest(
                "POST", "/users/delete", #"{"external_ids":[1234567890123456789]}"#,
                bearer: muster.server.workspace.adminKey.text)
            #expect(erased.text == #"{"message":"success","deleted":1}"#)
        }
    }

    /// `+1:00`, and milliseconds behind a colon.
    @Test func timesAreAcceptedInTheFormsOfBrazesDocs() async throws {
        try await withMuster { muster in
            let times = ["2023-11-20T19:20:30+1:00", "2023-11-20T19:20:30:250+0100"]
            let objects = times.map {
                #"{"external_id":"u","time":"\#($0)","name":"n","product_id":"p","currency":"EUR","price":1}"#
            }
            .joined(separator: ",")
            let reply = try await post(muster, #"{"events":[\#(objects)],"purchases":[\#(objects)]}"#)
            #expect(
                reply.text == #"{"message":"success","events_processed":2,"purchases_processed":2}"#)
            let export = try await muster.server.rest(
                "POST", "/users/export/ids", #"{"external_ids":["u"]}"#, bearer: muster.server.workspace.adminKey.text)
            #expect(export.text.contains(#""last":"2023-11-20T18:20:30.250000Z""#), "\(export.text)")
        }
    }

    @Test func errorsOfSingleObjectsAreReportedBesideTheCounts() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let answer = try await post(
                muster,
                """
                {"attributes":[{"external_id":"u-1","a":1},{"a":1},{"external_id":"u-1","n":{"inc":"x"}}],
                 "events":[{"external_id":"u-1","name":"n","time":"soon"},{"external_id":"u-1","time":"2024-01-01"}],
                 "purchases":[{"external_id":"u-1","product_id":"p","currency":"EUR","price":1,"time":"2024-01-01","quantity":0}]}
                """)
            #expect(answer.status == 201)
            #expect(answer.text.hasPrefix(#"{"message":"success","#))
            // The fields of Braze's answer are those of the call's reply.
            let body: TrackUsers.Reply = try answer.decode()
            #expect((body.attributesProcessed, body.eventsProcessed, body.purchasesProcessed) == (1, 0, 0))
            #expect(
                body.errors == [
                    TrackError(
                        "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required", in: .attributes,
                        at: 1),
                    TrackError("'n' is not valid", in: .attributes, at: 2),
                    TrackError("'time' is not valid", in: .events, at: 0),
                    TrackError("'name' is required", in: .events, at: 1),
                    TrackError(
                        "'quantity' is not valid: it must be a whole number from 1 to 100 units (purchase_quantity)",
                        in: .purchases, at: 0),
                ])
        }
    }

    @Test func aRequestWithoutOneGoodObjectIs400() async throws {
        try await withMuster { muster in
            let none = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."
            for (body, errors) in [
                ("{}", ""), (#"{"attributes":[]}"#, ""),
                (
                    #"{"events":[{"external_id":"u-1","name":"n"}]}"#,
                    #","errors":[{"type":"'time' is required","input_array":"events","index":0}]"#
                ),
            ] {
                let answer = try await post(muster, body)
                #expect(answer.status == 400)
                #expect(answer.text == #"{"message":"\#(none)"\#(errors)}"#)
            }
            for body in [#"{"attributes":{}}"#, #"{"attributes":[7]}"#, "[]", "no JSON"] {
                let answer = try await post(muster, body)
                #expect(answer.status == 400 && answer.text.hasPrefix(#"{"message":""#), "\(body): \(answer.text)")
            }
        }
    }

    @Test func seventyFiveObjectsAnArrayAreAcceptedAndOneMoreIsNot() async throws {
        try await withMuster { muster in
            func objects(_ count: Int, _ more: String = "") -> String {
                "[" + (0..<count).map { #"{"external_id":"u-\#($0)"\#(more)}"# }.joined(separator: ",") + "]"
            }
            let event = #","name":"n","time":"2024-01-01""#
            let full = try await post(muster, #"{"attributes":\#(objects(75)),"events":\#(objects(75, event))}"#)
            #expect(full.text == #"{"message":"success","attributes_processed":75,"events_processed":75}"#)
            let more = try await post(muster, #"{"attributes":\#(objects(76))}"#)
            #expect(more.status == 400)
            #expect(
                more.message
                    == "Max Input Length Exceeded: attributes is over the limit of 75 objects (rest_track_objects)")

            let bulk = try await post(
                muster, #"{"attributes":\#(objects(600)),"events":\#(objects(400, event))}"#, "/users/track/bulk")
            #expect(bulk.status == 201)
            #expect(bulk.text == #"{"message":"success","attributes_processed":600,"events_processed":400}"#)
            let bulkier = try await post(muster, #"{"attributes":\#(objects(1_001))}"#, "/users/track/bulk")
            #expect(bulkier.status == 400)
            #expect(bulkier.message?.contains("is over the limit of 1000 objects (track_objects)") == true)
            let blank = String(repeating: " ", count: 2_000_000)
            #expect(try await post(muster, "{}" + blank, "/users/track/bulk").status == 413)
        }
    }

    @Test func nonObjectsAndPushTokensWithoutADeviceAreErrorsOfTheirOwn() async throws {
        try await withMuster { muster in
            let answer = try await post(
                muster,
                #"{"attributes":[null,"x",{"external_id":"u-1"},{"push_token_import":true,"push_tokens":[{"token":"t"}]}]}"#
            )
            #expect(answer.status == 201, "\(answer.text)")
            let body: TrackUsers.Reply = try answer.decode()
            #expect(body.attributesProcessed == 1 && body.errors.map(\.index) == [0, 1, 3])
            #expect(
                body.errors.last?.type
                    == "'push_token_import' needs a 'device_id' in 'push_tokens': tokens are not kept")
        }
    }

    @Test func aHundredObjectsOfOneUserAreAcceptedInBulk() async throws {
        try await withMuster { muster in
            func body(_ numbers: Int) -> String {
                let named =
                    Array(repeating: #"{"external_id":"7","a":1}"#, count: 60)
                    + Array(repeating: #"{"external_id":7,"a":1}"#, count: numbers) + [#"{"external_id":"8"}"#]
                return #"{"attributes":[\#(named.joined(separator: ","))]}"#
            }
            #expect(try await post(muster, body(40), "/users/track/bulk").status == 201)
            let more = try await post(muster, body(41), "/users/track/bulk")
            #expect(more.status == 400)
            #expect(more.message?.contains("100 objects (rest_bulk_objects_per_user)") == true, "\(more.text)")
        }
    }

    @Test func aPushTokensDeviceBecomesTheUsers() async throws {
        try await withMuster { muster in
            let answer = try await post(
                muster,
                #"{"attributes":[{"external_id":"u-1","push_tokens":[{"app_id":"a","token":"t","device_id":"d-1"},{"app_id":"a","token":"u"}]}]}"#
            )
            #expect(answer.status == 201)
            let user = try await muster.send(GetUser(user: .deviceID("d-1")))
            #expect(user.externalID == "u-1" && user.attributes.entries.isEmpty)
        }
    }
}
