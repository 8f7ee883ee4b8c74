import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Testing

/// The credentials of partners, and the errors without them.
@Suite struct PartnerCredentialTests {
    private static let naming = #""cohort_id":"c","name":"C","created_at":"2024-01-01""#
    private static let change = #""cohort_id":"c","cohort_changes":[{"user_ids":["u-1"]}]"#

    @Test(arguments: [
        "", #""client_secret":null,"#, #""client_secret":7,"#, #""client_secret":["x"],"#, #""client_secret":"","#,
        #""client_secret":"not-a-key","#,
        #""client_secret":"mus_imp_1_0000000000000000000000000000000000000000000000000","#,
    ])
    func anInvalidSecretIsRefusedAndNotEchoed(_ field: String) async throws {
        try await withMuster { muster in
            let connector = try await Connector(muster)
            for (path, rest) in [("", Self.naming), ("/users", Self.change), ("/users", #""cohort_id":7"#)] {
                let reply = try await connector.send(path, "{\(field)\(rest)}")
                #expect(reply.status == 401)
                #expect(reply.text == #"{"message":"Invalid client secret"}"#)
                for header in ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"] {
                    #expect(reply.headers[header] == "")
                }
            }
            #expect(try await muster.send(ListCohorts()).cohorts.isEmpty)
        }
    }

    @Test func aServiceKeyOrAnotherPartnersKeyIsUnknown() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            _ = try await muster.send(SetPartner(partner: "segment"))
            let other = try await muster.send(CreateKey(kind: .import, partner: "segment", name: "Segment")).secret
            let connector = try await Connector(muster)
            for secret in [other, muster.server.workspace.adminKey.text] {
                for (path, rest) in [("", Self.naming), ("/users", Self.change)] {
                    let reply = try await connector.send(path, #"{"client_secret":"\#(secret)",\#(rest)}"#)
                    #expect(reply.status == 401)
                    #expect(reply.text == #"{"message":"Invalid client secret"}"#)
                }
            }
            var elsewhere = connector
            for partner in ["segment", "Tinyclues", "tinyclues%20", "%E2%84%AA"] {
                elsewhere.partner = partner
                let reply = try await elsewhere.post("/users", Self.change)
                #expect(reply.status == 401 && reply.message == "Invalid client secret", "\(partner)")
            }
            #expect(try await muster.send(ListCohorts()).cohorts.isEmpty)
        }
    }

    @Test func aDisabledPartnerIsRefusedWithoutItsSecret() async throws {
        try await withMuster { muster in
            let connector = try await Connector(muster)
            _ = try await muster.send(SetPartner(partner: "tinyclues", enabled: false))
            for (path, rest) in [
                ("", Self.naming), ("/users", Self.change), ("/users", #""cohort_id":"c","cohort_changes":[]"#),
            ] {
                let reply = try await connector.post(path, rest)
                #expect(reply.status == 401)
                #expect(reply.text == #"{"message":"Partner not enabled for client with client secret"}"#)
            }
            _ = try await muster.send(SetPartner(partner: "tinyclues", enabled: true))
            #expect(try await connector.post("", Self.naming).status == 201)
        }
    }

    @Test func aConfiguredPartnerAPIKeyIsRequired() async throws {
        try await withMuster { muster in
            let connector = try await Connector(muster)
            #expect(try await connector.post("", #""partner_api_key":7,"# + Self.naming).status == 201)
            _ = try await muster.send(SetPartner(partner: "tinyclues", partnerAPIKey: "partner-key-of-tinyclues"))
            for wrong in ["", #""partner_api_key":null,"#, #""partner_api_key":7,"#, #""partner_api_key":"wrong","#] {
                let reply = try await connector.post("", wrong + Self.naming)
                #expect(reply.status == 401)
                #expect(reply.text == #"{"message":"Invalid Partner API key"}"#)
            }
            let good = try await connector.post("", #""partner_api_key":"partner-key-of-tinyclues","# + Self.naming)
            #expect(good.status == 201)
            _ = try await muster.send(SetPartner(partner: "tinyclues", partnerAPIKey: ""))
            #expect(try await connector.post("", Self.naming).status == 201)
        }
    }

    @Test func credentialsAreCheckedBeforeTheContent() async throws {
        try await withMuster { muster in
            let connector = try await Connector(muster)
            let nonsense = #""cohort_id":7,"cohort_changes":"x""#
            #expect(try await connector.post("/users", nonsense).status == 400)
            #expect(try await connector.send("/users", #"{"client_secret":"x",\#(nonsense)}"#).status == 401)
            _ = try await muster.send(SetPartner(partner: "tinyclues", partnerAPIKey: "partner-key-of-tinyclues"))
            #expect(try await connector.post("/users", nonsense).message == "Invalid Partner API key")
            // Both are wrong: without a valid secret the error shows nothing of the partner.
            #expect(
                try await connector.send("/users", #"{"client_secret":"x","partner_api_key":"y",\#(nonsense)}"#).message
                    == "Invalid client secret")
        }
    }

    /// Also where the request would be refused anyway, and where the secret was good a moment ago.
    @Test func anInvalidatedKeyIsRefusedWithinASecond() async throws {
        try await withMuster { muster in
            let connector = try await Connector(muster)
            #expect(try await connector.post("", Self.naming).status == 201)
            let keys = try await muster.send(ListKeys(partner: "tinyclues")).keys
            for key in keys { _ = try await muster.send(InvalidateKey(keyID: key.keyID)) }
            try await Task.sleep(for: .seconds(1))
            for rest in [Self.naming, #""cohort_id":7"#] {
                let reply = try await connector.post("", rest)
                #expect(reply.status == 401 && reply.message == "Invalid client secret")
            }
            // What it made stays.
            #expect(try await muster.send(ListCohorts()).cohorts.count == 1)
        }
    }
}
