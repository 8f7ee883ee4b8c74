import MusterProtocol
import MusterTestSupport
import Testing

/// What a connector's requests do where all is well.
@Suite struct PartnerRouteTests {
    @Test func aPartnerNamesACohortAndFillsIt() async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            let connector = try await Connector(muster)
            let named = try await connector.post(
                "", #""cohort_id":"c","name":"Win back","created_at":"2021-01-21T19:20:30+05:00""#)
            #expect(named.status == 201)
            #expect(named.text == #"{"message":"success"}"#)
            #expect(named.headers["content-type"] == "application/json")
            let changed = try await connector.change("c", #"{"user_ids":["u-1","u-404"]}"#)
            #expect(changed.status == 201 && changed.message == "success")
            #expect(changed.imported?.version == 1 && changed.imported?.size == 1)
            #expect(changed.imported?.receipt == Receipt(received: 2, added: 1, unknown: 1))
            let cohort = try await muster.send(GetCohort(partner: "tinyclues", cohortID: "c"))
            #expect(cohort.size == 1 && cohort.name == "Win back")
        }
    }

    @Test func namingAgainRenamesAndKeepsTheFirstTime() async throws {
        try await withMuster { muster in
            let connector = try await Connector(muster)
            for (name, time) in [
                ("First", "2021-01-21T19:20:30+05:00"), ("Second", "2024-02-29"), ("Second", "2025-01-01"),
                ("Second", "2026-11-20T19:20:30+1:00"), ("Second", "2026-11-20T19:20:30:250+0100"),
            ] {
                let reply = try await connector.post(
                    "", #""cohort_id":"c","name":"\#(name)","created_at":"\#(time)""#)
                #expect(reply.status == 201)
            }
            let cohort = try await muster.send(GetCohort(partner: "tinyclues", cohortID: "c"))
            #expect(cohort.name == "Second")
            #expect(cohort.createdAt == Instant(iso8601: "2021-01-21T14:20:30Z".utf8))
        }
    }

    /// Segment's test of credentials.
    @Test func anEmptyChangeOnAnUnknownCohortSucceedsAndCreatesNothing() async throws {
        try await withMuster { muster in
            let connector = try await Connector(muster)
            for changes in ["", #"{"user_ids":[],"device_ids":[],"aliases":[]}"#] {
                let reply = try await connector.change("will_add_in_constant", changes)
                #expect(reply.status == 201)
                #expect(reply.imported?.version == 0 && reply.imported?.id == nil)
            }
            #expect(try await muster.send(ListCohorts()).cohorts.isEmpty)
        }
    }

    @Test func aCohortThatWasNeverNamedIsNamedByItsID() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let connector = try await Connector(muster)
            #expect(try await connector.change("aud_1", #"{"user_ids":["u-1"]}"#).status == 201)
            #expect(try await muster.send(GetCohort(partner: "tinyclues", cohortID: "aud_1")).name == "aud_1")
        }
    }

    @Test func bodiesOfSegmentAreAccepted() async throws {
        try await withMuster(users: ["a", "b"]) { muster in
            let connector = try await Connector(muster)
            try await muster.importCohort("aud_1", adding: ["b"])
            let named = try await connector.send(
                "",
                #"{"partner_api_key":"K","client_secret":"\#(connector.key)","name":"Aud","cohort_id":"aud_1","created_at":"2024-01-01T00:00:00.000Z"}"#
            )
            #expect(named.status == 201)
            let changed = try await connector.send(
                "/users",
                #"{"partner_api_key":"K","client_secret":"\#(connector.key)","cohort_id":"aud_1","cohort_changes":[{"user_ids":["a"],"device_ids":[],"aliases":[]},{"user_ids":["b"],"device_ids":[],"aliases":[],"should_remove":true}]}"#
            )
            #expect(changed.status == 201)
            #expect(changed.imported?.receipt == Receipt(received: 2, added: 1, removed: 1))
            #expect(try await muster.members(of: .cohort("tinyclues", "aud_1")) == ["a"])
        }
    }

    @Test func objectsApplyInOrderAndUnknownFieldsAreIgnored() async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            let connector = try await Connector(muster)
            let reply = try await connector.change(
                "c",
                #"""
                {"user_ids":["u-1"],"should_remove":null,"note":"unknown keys are ignored"},
                {"user_ids":["u-1"],"should_remove":true},
                {"user_ids":["u-2"],"aliases":[{"alias_label":"l","alias_name":"n","x":1}],"device_ids":["d",""]}
                """#)
            #expect(reply.status == 201)
            #expect(
                reply.imported?.receipt
                    == Receipt(received: 6, added: 1, unchanged: 1, unknown: 2, invalid: 1, repeated: 1))
            #expect(try await muster.members(of: .cohort("tinyclues", "c")) == ["u-2"])
        }
    }

    @Test func aThousandIdentifiersAreAcceptedAndOneMoreAppliesNothing() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let connector = try await Connector(muster)
            func objects(_ users: Int, _ devices: Int, _ aliases: Int) -> String {
                func list(_ count: Int, _ one: String) -> String {
                    Array(repeating: one, count: count).joined(separator: ",")
                }
                return #"{"user_ids":[\#(list(users, #""u-1""#))]},{"device_ids":[\#(list(devices, #""d""#))],"#
                    + #""aliases":[\#(list(aliases, #"{"alias_label":"l","alias_name":"n"}"#))],"should_remove":true}"#
            }
            let refused = try await connector.change("c", objects(500, 300, 201))
            #expect(refused.status == 400)
            #expect(
                refused.message == "Only 1,000 `user_ids`, `device_ids`, and `aliases` are allowed per request")
            let problem = try refused.problem
            #expect(problem.names(Limits.restImportIdentifiers, as: 1_000))
            #expect(
                problem.errors == [
                    "cohort_changes has 1001 identifiers; send at most 1000 in one request (rest_import_identifiers)"
                ])
            #expect(try await muster.send(ListCohorts()).cohorts.isEmpty)
            let taken = try await connector.change("c", objects(500, 300, 200))
            #expect(taken.status == 201 && taken.imported?.receipt.received == 1_000)
        }
    }
}
