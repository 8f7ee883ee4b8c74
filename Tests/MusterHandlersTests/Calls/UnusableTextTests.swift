import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Testing

/// Strings that JSON can carry and no text can have: U+0000 and halves of surrogate pairs. One of them must not lose
/// what stands beside it.
@Suite struct UnusableTextTests {
    static let bad = [#"\u0000"#, #"a\u0000b"#, #"\ud800"#, #"x\udfff"#, #"\ud83d\u0041"#]

    @Test(arguments: bad) func anImportCountsItAsInvalid(text: String) async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            let session = try await RawSession.open(muster.server)
            let body = """
                {"partner":"tinyclues","cohort_id":"c","request_id":"r","cohort_changes":[
                    {"user_ids":["u-1","\(text)","u-2"],"device_ids":["\(text)"],
                     "aliases":[{"alias_label":"crm","alias_name":"\(text)"},{"alias_label":"\(text)","alias_name":"1"}]}]}
                """
            let answer = try await session.answer("cohorts.import", body)
            guard case .reply(let reply) = answer else { return #expect(Bool(false), "\(answer)") }
            let imported: ImportCohort.Reply = try JSONDecoding.decode(from: Array(reply.utf8))
            #expect(imported.size == 2)
            #expect(imported.receipt == Receipt(received: 6, added: 2, invalid: 4))
            #expect(try await session.answer("cohorts.import", body) == answer, "a repeat has another digest")
            let recorded = try await muster.send(ListImports(partner: "tinyclues", cohortID: "c", version: 1))
            let outcomes = recorded.imports.first?.outcomes?.flatMap { Array(repeating: $0.outcome, count: $0.count) }
            #expect(outcomes == [.added, .invalid, .added, .invalid, .invalid, .invalid])
            await session.connection.close()
        }
    }

    @Test(arguments: bad) func anEntryOfAnUpsertIsRefusedAlone(text: String) async throws {
        try await withMuster { muster in
            let session = try await RawSession.open(muster.server)
            let entries = [
                #"{"external_id":"u-1","attributes":{"n":1}}"#, #"{"external_id":"\#(text)"}"#,
                #"{"external_id":"u-2","aliases":[{"alias_label":"crm","alias_name":"\#(text)"}]}"#,
                #"{"external_id":"u-2","device_ids":["d","\#(text)"]}"#,
                #"{"external_id":"u-2","attributes":{"\#(text)":1}}"#,
                #"{"external_id":"u-2","attributes":{"\#(text)":1,"\#(text)x":2}}"#,
                #"{"external_id":"u-2","attributes":{"a":"\#(text)"}}"#,
                #"{"external_id":"u-2","attributes":{"a":["x","\#(text)"]}}"#,
                #"{"external_id":"u-2","attributes":{"a":{"b":[{"c":"\#(text)"}]}}}"#,
                #"{"external_id":"u-2","attributes":{"a":{"\#(text)":1}}}"#, #"{"external_id":"u-3"}"#,
            ]
            let answer = try await session.answer(
                "users.upsert", #"{"users":[\#(entries.joined(separator: ","))],"request_id":"r"}"#)
            guard case .reply(let reply) = answer else { return #expect(Bool(false), "\(answer)") }
            let upserted: UpsertUsers.Reply = try JSONDecoding.decode(from: Array(reply.utf8))
            #expect((upserted.created, upserted.refused) == (2, entries.count - 2))
            #expect(upserted.results.dropFirst().dropLast().allSatisfy { $0.reason == .invalid })
            #expect(upserted.results[1].message == "external_id has a control character")
            #expect(upserted.results[4].message == "the name of attribute 0 has U+0000 or half of a surrogate pair")
            #expect(upserted.results[8].message == "the value of attribute 0 has U+0000 or half of a surrogate pair")
            #expect(try await muster.send(GetUser(user: .externalID("u-1"))).attributes == ["n": 1])
            #expect(try await session.goesOn())
            await session.connection.close()
        }
    }

    @Test(arguments: bad) func anObjectOfATrackIsRefusedAlone(text: String) async throws {
        try await withMuster { muster in
            let session = try await RawSession.open(muster.server)
            let event = #""time":"2024-01-01","external_id":"u-1""#
            let purchase = event + #","currency":"EUR","price":1"#
            let body = """
                {"attributes":[{"external_id":"u-1","a":1},{"external_id":"\(text)","a":2},{"external_id":"u-1","a":"\(text)"},
                    {"external_id":"u-1","\(text)":2},{"external_id":"u-1","a":{"add":["\(text)"]}},
                    {"external_id":"u-1","email":"\(text)"},{"user_alias":{"alias_label":"l","alias_name":"\(text)"},"a":2},
                    {"external_id":"u-1","push_tokens":[{"device_id":"\(text)"}]},{"external_id":"u-1","b":1}],
                 "events":[{\(event),"name":"seen"},{\(event),"name":"\(text)"},
                    {\(event),"name":"seen","properties":{"a":["\(text)"]}},{\(event),"name":"seen","properties":{"\(text)":1}}],
                 "purchases":[{\(purchase),"product_id":"p"},{\(purchase),"product_id":"\(text)"}]}
                """
            let answer = try await session.answer("users.track", body)
            guard case .reply(let reply) = answer else { return #expect(Bool(false), "\(answer)") }
            let tracked: TrackUsers.Reply = try JSONDecoding.decode(from: Array(reply.utf8))
            #expect(
                (tracked.attributesProcessed, tracked.eventsProcessed, tracked.purchasesProcessed) == (2, 1, 1))
            #expect(tracked.errors.filter { $0.inputArray == .attributes }.map(\.index) == Array(1...7))
            #expect(
                tracked.errors[2].type == "the name of an attribute has U+0000 or half of a surrogate pair")
            #expect(try await muster.send(GetUser(user: .externalID("u-1"))).attributes.entries.count == 2)
            let overREST = try await muster.server.rest(
                "POST", "/users/track", body, bearer: muster.server.workspace.adminKey.text)
            #expect(overREST.status == 201)
            let same: TrackUsers.Reply = try overREST.decode()
            #expect(same == tracked)
            await session.connection.close()
        }
    }

    @Test func aClientSendsItAsItIs() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let reply = try await muster.importCohort("c", adding: ["u-1", "a\u{0}b"])
            #expect(reply.receipt == Receipt(received: 2, added: 1, invalid: 1))
        }
    }
}
