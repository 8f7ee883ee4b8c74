import MusterProtocol
import MusterTestSupport
import MusterUsers
import Postgres
import TestSupport
import Testing

@testable import MusterStore

extension RegistryFixture {
    /// Runs `users.track` on the objects that this JSON has.
    @discardableResult
    func track(_ json: String, requestID: Identifier? = nil) async throws -> TrackUsers.Reply {
        let call: TrackUsers = try JSONDecoding.decode(from: Array(json.utf8))
        return try await users.track(
            call, request: key(TrackUsers.method, requestID))
    }

    /// What attributes of a user are, as JSON with sorted names, once these are set; or what is wrong.
    func expect(
        _ attributes: String, of user: Identifier = "u", gives expected: String,
        at fixture: SourceLocation = #_sourceLocation
    ) async throws {
        let found = try await after(attributes, of: user)
        #expect(found == expected, sourceLocation: fixture)
    }

    /// What is said of an attribute that can't be changed so, being of no such kind.
    static func unfit(_ name: String, _ kind: String) -> String {
        "'\(name)' is not valid: the user's is no \(kind)"
    }

    /// Sets attributes of one user and returns what they are then, as JSON with sorted names.
    func after(_ attributes: String, of user: Identifier = "u") async throws -> String {
        let reply = try await track(#"{"attributes":[{"external_id":"\#(user.text)",\#(attributes)}]}"#)
        if let error = reply.errors.first { return error.type }
        let stored = try await get(.externalID(user))?.attributes.entries ?? []
        let sorted = Attributes(stored.sorted { $0.name.lexicographicallyPrecedes($1.name) })
        return String(decoding: try JSONEncoding.encode(sorted), as: UTF8.self)
    }
}

@Suite struct TrackAttributeTests {
    @Test func valuesAreSetAndRemovedAndTheRestStays() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.expect(
                #""a":1,"b":"x","c":{"d":[1,{"e":true}]}"#, gives: #"{"a":1,"b":"x","c":{"d":[1,{"e":true}]}}"#)
            try await fixture.expect(#""a":null,"b":2.5"#, gives: #"{"b":2.5,"c":{"d":[1,{"e":true}]}}"#)
            try await fixture.expect(#""b":null,"c":null,"nothing":null"#, gives: "{}")
        }
    }

    @Test func numbersAreIncreased() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.expect(#""n":{"inc":3}"#, gives: #"{"n":3}"#)
            try await fixture.expect(#""n":{"inc":-5}"#, gives: #"{"n":-2}"#)
            try await fixture.expect(#""n":0.5"#, gives: #"{"n":0.5}"#)
            try await fixture.expect(#""n":{"inc":1}"#, gives: #"{"n":1.5}"#)
            for (bound, step) in [("9007199254740992", 1), ("-9007199254740992", -1)] {
                try await fixture.expect(#""n":\#(bound)"#, gives: #"{"n":\#(bound)}"#)
                try await fixture.expect(
                    #""n":{"inc":\#(step)}"#, gives: "'n' is not valid: with it the user's would be outside of ±2^53")
            }
            for wrong in [#"{"inc":1.5}"#, #"{"inc":"1"}"#, #"{"inc":null}"#] {
                try await fixture.expect(#""n":\#(wrong)"#, gives: "'n' is not valid")
            }
            try await fixture.expect(#""n":"text""#, gives: #"{"n":"text"}"#)
            try await fixture.expect(#""n":{"inc":1}"#, gives: RegistryFixture.unfit("n", "number"))
        }
    }

    @Test func arraysHoldEachValueOnceAtTheEnd() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.expect(#""a":["x","y","x","z"]"#, gives: #"{"a":["y","x","z"]}"#)
            try await fixture.expect(#""a":{"add":["y","w"]}"#, gives: #"{"a":["x","z","y","w"]}"#)
            try await fixture.expect(#""a":{"add":["v"],"remove":["x","nothing"]}"#, gives: #"{"a":["z","y","w","v"]}"#)
            try await fixture.expect(#""a":{"remove":["z","y","w","v"]}"#, gives: #"{"a":[]}"#)
            try await fixture.expect(#""a":null,"b":{"remove":["x"]}"#, gives: "{}")
            try await fixture.expect(#""b":{"add":[1,"x",1.0]}"#, gives: #"{"b":["x",1]}"#)
            try await fixture.expect(#""b":{"add":"x"}"#, gives: "'b' is not valid")
            try await fixture.expect(#""b":7"#, gives: #"{"b":7}"#)
            try await fixture.expect(#""b":{"add":["x"]}"#, gives: RegistryFixture.unfit("b", "array"))
        }
    }

    @Test func anArrayKeepsItsLastFiveHundredValues() async throws {
        try await RegistryFixture.with { fixture in
            let all = (0..<500).map { "\($0)" }.joined(separator: ",")
            _ = try await fixture.after(#""a":[\#(all)]"#)
            let kept = try await fixture.after(#""a":{"add":["new"]}"#)
            #expect(kept.hasPrefix(#"{"a":[1,2,"#) && kept.hasSuffix(#",499,"new"]}"#))
        }
    }

    @Test func objectsAreMergedWhereTheCallSaysSo() async throws {
        try await RegistryFixture.with { fixture in
            _ = try await fixture.after(#""o":{"a":1,"b":{"c":1,"d":2}}"#)
            try await fixture.expect(
                #""_merge_objects":true,"o":{"b":{"c":null,"e":3},"f":4}"#,
                gives: #"{"o":{"a":1,"b":{"d":2,"e":3},"f":4}}"#)
            try await fixture.expect(#""o":{"a":2}"#, gives: #"{"o":{"a":2}}"#)
        }
    }

    @Test func theDataOfOneUserIsBounded() async throws {
        try await RegistryFixture.with { fixture in
            let many = (0..<256).map { #""a\#($0)":1"# }.joined(separator: ",")
            _ = try await fixture.after(many)
            try await fixture.expect(
                #""more":1"#, gives: "the user would have more than 256 attributes (attributes_per_user)")
            let long = String(repeating: "x", count: 257)
            try await fixture.expect(
                #""\#(long)":1"#, of: "v",
                gives: "the name of an attribute must have 1 to 256 bytes (attribute_name_bytes)")
            let id = Identifier(String(repeating: "x", count: 1_025))
            try await fixture.expect(
                #""a":1"#, of: id, gives: "'external_id' is over 1024 bytes (identifier_bytes)")
        }
    }
}

@Suite struct TrackUserTests {
    @Test func theIdentifierDecidesWhetherAUserIsCreated() async throws {
        try await RegistryFixture.with { fixture in
            let reply = try await fixture.track(
                """
                {"attributes":[
                    {"external_id":"made"}, {"external_id":"not","_update_existing_only":true},
                    {"user_alias":{"alias_name":"not","alias_label":"crm"},"a":1},
                    {"user_alias":{"alias_name":"made","alias_label":"crm"},"_update_existing_only":false,"a":1},
                    {"braze_id":"0123456789abcdef01234567","a":1},
                    {"email":"Made@x.eu","a":1}, {"email":"made@X.eu","b":2}, {"email":"not@x.eu","_update_existing_only":true},
                    {"phone":"+33","a":1}, {"push_token_import":true,"push_tokens":[{"token":"t","device_id":"made"}]}]}
                """)
            // An object that finds and creates no user counts as processed.
            #expect(reply.attributesProcessed == 10 && reply.errors.isEmpty)
            #expect(try await fixture.get(.externalID("made")) != nil)
            #expect(try await fixture.get(.externalID("not")) == nil)
            #expect(try await fixture.get(.crm("made"))?.attributes["a"] == 1)
            #expect(try await fixture.get(.crm("not")) == nil)
            let byEmail = try #require(try await fixture.get(.email(Contact("MADE@x.eu"))))
            #expect(byEmail.attributes.byName == (["email": "made@x.eu", "a": 1, "b": 2] as Attributes).byName)
            #expect(byEmail.externalID == nil && byEmail.aliases.isEmpty && byEmail.deviceIDs.isEmpty)
            #expect(try await fixture.get(.email(Contact("not@x.eu"))) == nil)
            #expect(try await fixture.get(.phone(Contact("+33")))?.attributes["a"] == 1)
            #expect(try await fixture.get(.deviceID("made")) != nil)
            #expect(try await fixture.members(of: SetKey.everyone).count == 5)
            let again = try await fixture.track(#"{"attributes":[{"braze_id":"\#(byEmail.brazeID.text)","c":3}]}"#)
            #expect(again.errors.isEmpty)
            #expect(try await fixture.get(.brazeID(byEmail.brazeID))?.attributes["c"] == 3)
        }
    }

    @Test func emailComesBeforePhoneAndFindsTheIdentifiedUserFirst() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(
                .external("u-1", ["email": "A@x.eu", "phone": "+1"]), .external("u-2", ["email": "a@x.eu"]))
            try await fixture.upsert(
                UserEntry(deviceIDs: ["d"], attributes: ["email": "a@x.eu"]), .external("u-3", ["phone": "+1"]))
            try await fixture.track(#"{"attributes":[{"external_id":"u-1","touched":1}]}"#)
            try await fixture.track(#"{"attributes":[{"phone":"+1","email":"a@x.eu","hit":1}]}"#)
            #expect(try await fixture.get(.externalID("u-1"))?.attributes["hit"] == 1)
            #expect(try await fixture.get(.externalID("u-1"))?.attributes["phone"] == "+1")
            #expect(try await fixture.get(.externalID("u-3"))?.attributes["hit"] == nil)
            #expect(try await fixture.get(.deviceID("d"))?.attributes["hit"] == nil)
        }
    }

    @Test func anAddressGivenByOneObjectFindsItsUserInTheNext() async throws {
        try await RegistryFixture.with { fixture in
            let reply = try await fixture.track(
                """
                {"attributes":[{"external_id":"u-1","email":"new@x.eu"},{"email":"new@x.eu","n":1}],
                 "events":[{"email":"NEW@x.eu","name":"seen","time":"2024-01-01"}]}
                """)
            #expect(reply.errors.isEmpty)
            #expect(try await fixture.get(.externalID("u-1"))?.attributes["n"] == 1)
            #expect(try await fixture.members(of: SetKey.everyone).count == 1)
        }
    }

    @Test func aDeviceOfAnotherUserIsNotMoved() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(UserEntry(externalID: "u-1", deviceIDs: ["d"]))
            let reply = try await fixture.track(
                #"{"attributes":[{"external_id":"u-2","n":1,"push_tokens":[{"device_id":"d"},{"device_id":"e"}]}]}"#)
            #expect(reply.attributesProcessed == 1)
            #expect(try await fixture.get(.deviceID("d"))?.externalID == "u-1")
            #expect(try await fixture.get(.deviceID("e"))?.attributes["n"] == 1)
        }
    }

    @Test func badPartsOfAnObjectAreNamed() async throws {
        try await RegistryFixture.with { fixture in
            let bad: [(String, String)] = [
                (#""external_id":"""#, "'external_id' is not valid"),
                (#""external_id":true"#, "'external_id' is not valid"),
                (#""external_id":"a\u0007""#, "'external_id' is not valid"),
                (#""user_alias":"x""#, "'user_alias' is not valid"),
                (#""user_alias":{"alias_name":"x"}"#, "'user_alias' is not valid"),
                (
                    #""user_alias":{"alias_label":"\#(String(repeating: "x", count: 257))","alias_name":"x"}"#,
                    "'user_alias' is not valid: alias_label is over 256 bytes (alias_label_bytes)"
                ),
                (#""external_id":"u","_update_existing_only":"true""#, "'_update_existing_only' is not valid"),
                (#""external_id":"u","email":7"#, "'email' is not valid"),
                (#""external_id":"u","push_tokens":{}"#, "'push_tokens' is not valid"),
                (#""external_id":"u","push_tokens":[{"device_id":7}]"#, "'push_tokens' is not valid"),
                (#""external_id":"u","a":1e300"#, "'a' is not valid: it has a number outside of ±2^53"),
            ]
            for (fields, text) in bad {
                let reply = try await fixture.track(#"{"attributes":[{\#(fields)}]}"#)
                #expect(reply.errors == [TrackError(text, in: .attributes, at: 0)], "\(fields)")
            }
            let purchase = #""external_id":"u","product_id":"p","currency":"EUR","price":1,"time":"2024-01-01""#
            for (old, new, text) in [
                ("\"EUR\"", "\"EURO\"", "'currency' is not valid"), ("\"EUR\"", "null", "'currency' is required"),
                (":1,", ":\"1\",", "'price' is not valid"), (":1,", ":1e15,", Self.tooMuch),
                ("\"p\"", "7", "'product_id' is not valid"), ("2024-01-01", "2024-13-01", "'time' is not valid"),
                (
                    "2024-01-01", "2124-01-01",
                    "'time' is not valid: it lies ahead by more than 24 hours (event_lead_hours)"
                ),
                (
                    "\"u\"", "\"u\",\"properties\":{\"a\":\"\(String(repeating: "x", count: 65_529))\"}",
                    "'properties' is over 65536 bytes (attributes_bytes)"
                ),
                (
                    "\"u\"", "\"u\",\"quantity\":101",
                    "'quantity' is not valid: it must be a whole number from 1 to 100 units (purchase_quantity)"
                ),
                ("\"u\"", "\"u\",\"properties\":[1]", "'properties' is not valid"),
                (
                    "\"u\"", "\"u\",\"properties\":{\"a\":[1e300]}",
                    "'properties' is not valid: it has a number outside of ±2^53"
                ),
                ("\"u\"", "\"u\",\"properties\":{\"a\":\"\\u0000\"}", Self.unusable),
                ("\"u\"", "\"u\",\"properties\":{\"a\":\"\\ud800\"}", Self.unusable),
            ] {
                let reply = try await fixture.track(#"{"purchases":[{\#(purchase.replacing(old, with: new))}]}"#)
                #expect(reply.errors == [TrackError(text, in: .purchases, at: 0)], "\(new)")
            }
            #expect(try await fixture.members(of: SetKey.everyone).isEmpty)
        }
    }

    static let unusable = "'properties' is not valid: it has U+0000 or half of a surrogate pair"
    static let tooMuch = "'price' is not valid: times 'quantity' it is over 1000000000 units (purchase_amount)"

    /// The bound is that of price times quantity, and a price is never refused for a greater quantity than was bought.
    @Test func aPurchaseIsCheckedByItsQuantity() async throws {
        try await RegistryFixture.with { fixture in
            func purchase(_ price: String, _ quantity: Int?) async throws -> String? {
                let quantity = quantity.map { #","quantity":\#($0)"# } ?? ""
                let json =
                    #"{"purchases":[{"external_id":"u","product_id":"p","currency":"VND","price":\#(price),"time":"2024-01-01"\#(quantity)}]}"#
                return try await fixture.track(json).errors.first?.type
            }
            for (price, quantity) in [
                ("12500000", nil), ("12500000", 80), ("1000000000", nil), ("1e9", 1), ("-1000000000", 1),
                ("-12500000", 80),
                ("0.000001", 100), ("0", nil), ("9999999.99", 100),
            ] {
                #expect(try await purchase(price, quantity) == nil, "\(price)")
            }
            for (price, quantity) in [
                ("1000000000.01", nil), ("12500000", 81), ("-12500000", 81), ("1e300", 1), ("9007199254740992", nil),
                ("500000000.000001", 2),
            ] {
                #expect(try await purchase(price, quantity) == Self.tooMuch, "\(price)")
            }
            let workspace = fixture.workspace
            let max = try await fixture.value(
                "SELECT max(amount_millionths) FROM user_purchase WHERE workspace_id = \(workspace)")
            #expect(max == 1_000_000_000_000_000)
        }
    }

    @Test func eventsAndPurchasesAreStoredOnce() async throws {
        try await RegistryFixture.with { fixture in
            let json =
                #"{"events":[{"external_id":"u","name":"n","time":"2024-01-01","properties":{"a":1}}],"purchases":[{"external_id":"u","product_id":"p","currency":"eur","price":2.5,"quantity":2,"time":"2024-01-01"}]}"#
            let first = try await fixture.track(json, requestID: "r")
            #expect(first.eventsProcessed == 1 && first.purchasesProcessed == 1 && first.attributesProcessed == nil)
            #expect(try await fixture.track(json, requestID: "r") == first)
            let workspace = fixture.workspace
            #expect(
                try await fixture.value(
                    "SELECT count(*) FROM user_event WHERE workspace_id = \(workspace) AND name = 'n'") == 1)
            #expect(
                try await fixture.value(
                    "SELECT sum(amount_millionths)::int8 FROM user_purchase WHERE workspace_id = \(workspace) AND currency = 'EUR'"
                )
                    == 5_000_000)
        }
    }
}

@Suite struct TrackConcurrencyTests {
    @Test func noIncreaseIsLost() async throws {
        try await RegistryFixture.with { fixture in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for sender in 0..<4 {
                    group.addTask {
                        for _ in 0..<10 {
                            try await fixture.track(
                                #"{"attributes":[{"external_id":"u","n":{"inc":1},"s":{"add":["\#(sender)"]}},{"external_id":"v","n":{"inc":2}}]}"#
                            )
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await fixture.get(.externalID("u"))?.attributes["n"] == 40)
            #expect(try await fixture.get(.externalID("v"))?.attributes["n"] == 80)
        }
    }

    @Test func concurrentTracksOfOneAddressCreateOneUser() async throws {
        try await RegistryFixture.with { fixture in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for sender in 0..<8 {
                    group.addTask { try await fixture.track(#"{"attributes":[{"email":"a@x.eu","n\#(sender)":1}]}"#) }
                }
                try await group.waitForAll()
            }
            #expect(try await fixture.members(of: SetKey.everyone).count == 1)
            #expect(try await fixture.get(.email(Contact("a@x.eu")))?.attributes.entries.count == 9)
        }
    }

    @Test func addressesAreResolvedUnderTheLockOfTheirChanges() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("u-1", ["email": "a@x.eu"]), .external("u-2"))
            let (store, workspace) = (fixture.store, fixture.workspace)
            async let moving: Void = store.in(workspace).transaction { connection in
                _ = try connection.lockHead(SetKey(workspace: workspace, number: SetKey.attributes))
                try connection.execute(
                    """
                    UPDATE registered_user SET attributes = CASE user_number WHEN 1 THEN '{"email": "a@x.eu"}' ELSE '{}' END::jsonb
                    WHERE workspace_id = \(workspace)
                    """)
                try connection.execute("SELECT pg_sleep(0.6)")
            }
            try await Task.sleep(for: .milliseconds(200))
            try await fixture.track(#"{"attributes":[{"email":"a@x.eu","hit":1}]}"#)
            try await moving
            #expect(try await fixture.get(.externalID("u-2"))?.attributes["hit"] == 1)
            #expect(try await fixture.get(.externalID("u-1"))?.attributes["hit"] == nil)
        }
    }
}
