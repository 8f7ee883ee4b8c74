import MusterProtocol
import MusterTestSupport
import Testing

@Suite struct PartnerRouteTests {
    @Test func aPartnerNamesACohortAndFillsIt() async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            let key = try await muster.send(CreateKey(kind: .import, partner: "tinyclues", name: "Tinyclues")).secret
            let named = try await muster.server.rest(
                "POST", "/partners/tinyclues/cohorts",
                #"{"client_secret":"\#(key)","cohort_id":"c","name":"Win back","created_at":"2021-01-21T19:20:30+05:00"}"#
            )
            #expect(named.status == 201)
            #expect(named.text == #"{"message":"success"}"#)
            let changed = try await muster.server.rest(
                "POST", "/partners/tinyclues/cohorts/users",
                #"{"client_secret":"\#(key)","cohort_id":"c","cohort_changes":[{"user_ids":["u-1","u-404"]}]}"#)
            #expect(changed.status == 201)
            let cohort = try await muster.send(GetCohort(partner: "tinyclues", cohortID: "c"))
            #expect(cohort.size == 1 && cohort.name == "Win back")
        }
    }
}
