import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Testing

/// Receipts that are read again, and requests that are sent again.
@Suite struct PartnerReceiptTests {
    @Test func aReceiptHasTheOutcomeOfEachIdentifier() async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            let connector = try await Connector(muster)
            let answer = try await connector.change(
                "c",
                #"{"user_ids":["u-1","u-404"],"device_ids":["d-404"]},{"aliases":[{"alias_label":"l","alias_name":"n"}],"user_ids":["u-2"],"should_remove":true}"#,
                idempotencyKey: "first")
            let id = try #require(answer.imported?.id)
            let reply = try await connector.receipt(id)
            #expect(reply.status == 200 && reply.message == "success")
            let found = try #require(reply.imported)
            #expect(found.id == id && found.cohortID == "c" && found.version == 1 && found.size == 1)
            #expect(found.receipt == answer.imported?.receipt)
            #expect(found.idempotencyKey == "first" && found.importedAt != nil)
            #expect(
                found.outcomes == [
                    .init(object: 0, kind: "user_ids", position: 0, outcome: .added),
                    .init(object: 0, kind: "user_ids", position: 1, outcome: .unknown),
                    .init(object: 0, kind: "device_ids", position: 0, outcome: .unknown),
                    .init(object: 1, kind: "user_ids", position: 0, outcome: .unchanged),
                    .init(object: 1, kind: "aliases", position: 0, outcome: .unknown),
                ])
            for identifier in ["u-1", "u-404", "d-404"] { #expect(!reply.text.contains(identifier)) }
        }
    }

    @Test(arguments: ["c", "with space", "é/../?#%", "00000000000000000000000000000000000000000000000000"])
    func theIDOfAnImportNeedsNoEncodingInAURL(_ cohortID: String) async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let connector = try await Connector(muster)
            let id = try #require(try await connector.change(cohortID, #"{"user_ids":["u-1"]}"#).imported?.id)
            #expect(
                id.utf8.allSatisfy {
                    "-_".utf8.contains($0) || Character(.init($0)).isLetter || Character(.init($0)).isNumber
                })
            #expect(try await connector.receipt(id).imported?.cohortID == Identifier(cohortID))
        }
    }

    @Test func aReceiptIsReadableByItsPartnerOnly() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let connector = try await Connector(muster)
            let id = try #require(try await connector.change("c", #"{"user_ids":["u-1"]}"#).imported?.id)
            let newer = try await Connector(muster).key
            #expect(try await connector.receipt(id, bearer: newer).status == 200)

            _ = try await muster.send(SetPartner(partner: "segment"))
            let other = try await muster.send(CreateKey(kind: .import, partner: "segment", name: "Segment")).secret
            for secret in [other, muster.server.workspace.adminKey.text, "x"] {
                let reply = try await connector.receipt(id, bearer: secret)
                #expect(reply.status == 401 && reply.message == "Invalid client secret")
            }
            let nobody = try await muster.server.rest("GET", "/partners/tinyclues/cohorts/imports/\(id)")
            #expect(nobody.status == 401 && nobody.message == "Unauthorized access")

            _ = try await muster.send(SetPartner(partner: "tinyclues", partnerAPIKey: "partner-key-of-tinyclues"))
            #expect(try await connector.receipt(id).message == "Invalid Partner API key")
            let both = try await connector.receipt(id, headers: ["X-Partner-API-Key": "partner-key-of-tinyclues"])
            #expect(both.status == 200)
        }
    }

    @Test func anImportIsFoundByItsIdempotencyKey() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let connector = try await Connector(muster)
            let name = "autumn +/2026%20"
            let sent = try await connector.change("c", #"{"user_ids":["u-1","u-404"]}"#, idempotencyKey: name)
            let reply = try await connector.receipt(named: name)
            #expect(reply.status == 200)
            let found = try #require(reply.imported)
            #expect(found.id == sent.imported?.id && found.cohortID == "c" && found.idempotencyKey == name)
            #expect(found.receipt == sent.imported?.receipt && found.outcomes?.map(\.outcome) == [.added, .unknown])
            #expect(reply.text == (try await connector.receipt(try #require(found.id))).text)

            let unknown = try await connector.receipt(named: "other")
            #expect(unknown.status == 404 && unknown.message == "there is no such import")
            let nothing = try await connector.receipt(named: nil)
            #expect(nothing.status == 400 && nothing.message == "`Idempotency-Key` must name the import to be shown")
            #expect(try await connector.receipt(named: "é").status == 400)
            _ = try await muster.send(SetPartner(partner: "segment"))
            let other = try await muster.send(CreateKey(kind: .import, partner: "segment", name: "Segment")).secret
            #expect(try await connector.receipt(named: name, bearer: other).status == 401)
            _ = try await muster.send(DeleteCohort(partner: "tinyclues", cohortID: "c"))
            #expect(try await connector.receipt(named: name).status == 404)
        }
    }

    @Test func anUnknownImportIsNotFound() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let connector = try await Connector(muster)
            let id = try #require(try await connector.change("c", #"{"user_ids":["u-1"]}"#).imported?.id)
            // MS5j is 1.c, Mi5j is 2.c, MS5k is 1.d, MS4 is 1., MS7__g has bytes that are no UTF-8; the others are no
            // ids.
            #expect(id == "MS5j")
            for wrong in ["Mi5j", "MS5k", "MS4", "MS7__g", "MS5j=", "MS5", "x", "-", "1.c", "%00"] {
                let reply = try await connector.receipt(wrong)
                #expect(reply.status == 404 && reply.message != nil, "\(wrong): \(reply.text)")
            }
        }
    }

    @Test func aRepeatUnderTheSameKeyGetsTheRecordedResponse() async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            let connector = try await Connector(muster)
            let first = try await connector.change("c", #"{"user_ids":["u-1"]}"#, idempotencyKey: "k-1")
            _ = try await connector.change("c", #"{"user_ids":["u-2"]}"#)
            // Written differently, meaning the same.
            let again = try await connector.change(
                "c", #"{ "user_ids": ["\u0075-1"], "should_remove": false }"#, idempotencyKey: "k-1")
            #expect(again.status == 201 && again.text == first.text)
            #expect(try await muster.send(GetCohort(partner: "tinyclues", cohortID: "c")).version == 2)

            // Also by another key of the partner.
            let newer = try await Connector(muster)
            #expect(try await newer.change("c", #"{"user_ids":["u-1"]}"#, idempotencyKey: "k-1").text == first.text)
        }
    }

    @Test func theSameKeyWithOtherContentIsRefused() async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            let connector = try await Connector(muster)
            _ = try await connector.change("c", #"{"user_ids":["u-1"]}"#, idempotencyKey: "k-1")
            for (cohort, changes) in [("c", #"{"user_ids":["u-2"]}"#), ("d", #"{"user_ids":["u-1"]}"#)] {
                let reply = try await connector.change(cohort, changes, idempotencyKey: "k-1")
                #expect(reply.status == 422 && reply.message != nil)
            }
            #expect(try await muster.members(of: .cohort("tinyclues", "c")) == ["u-1"])
            #expect(try await muster.send(ListCohorts()).cohorts.count == 1)
        }
    }

    @Test(arguments: ["", String(repeating: "k", count: 256), "é"])
    func anInvalidIdempotencyKeyIsRefused(_ key: String) async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let connector = try await Connector(muster)
            let reply = try await connector.change("c", #"{"user_ids":["u-1"]}"#, idempotencyKey: key)
            #expect(reply.status == 400)
            #expect(reply.message == "`Idempotency-Key` must be one header of 1 to 255 ASCII characters")
            #expect(try await muster.send(ListCohorts()).cohorts.isEmpty)
            let longest = String(repeating: "k", count: 255)
            #expect(try await connector.change("c", #"{"user_ids":["u-1"]}"#, idempotencyKey: longest).status == 201)
        }
    }
}
