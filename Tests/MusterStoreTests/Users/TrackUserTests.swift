import MusterProtocol
import MusterUsers
import Postgres
import Testing

@testable import MusterStore

/// Which user an object of `users.track` is about, and what is stored of it.
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
