import MusterClient
import MusterProtocol
import MusterStore
import MusterTestSupport
import TestSupport
import Testing

@Suite struct SegmentExportTests {
    @Test func theArchiveHoldsTheMembersOneByOne() async throws {
        let ids = (0..<5_321).map { Identifier("u-\($0)") }
        try await withMuster(users: ids + ["not-in-it"]) { muster in
            try await muster.importCohort("c", adding: IdentifierList(ids))
            _ = try await muster.send(
                UpsertUsers(users: [
                    UserEntry(externalID: "u-7", attributes: ["first_name": "Ada", "plan": "gold", "more": 1])
                ]))
            try await muster.saveSegment(.cohort("tinyclues", "c"))
            let begun = try await muster.beginExport(
                #"{"segment_id":"s","fields_to_export":["external_id","first_name","custom_attributes"],"custom_attributes_to_export":["plan"]}"#
            )
            #expect(begun.url.hasPrefix("https://rest.example/exports/") && begun.url.hasSuffix(".zip"))
            let early = try await muster.fetch(begun.url)
            #expect(early.status == 202)
            #expect(try early.problem.message == "the export is not done yet; try again later")

            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 1)
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 0)
            let archive = try await muster.fetch(begun.url)
            #expect(archive.status == 200)
            #expect(archive.headers["content-type"] == "application/zip")
            #expect(archive.headers["content-length"] == "\(archive.body.count)")
            #expect(archive.headers["cache-control"] == "private, no-store")
            let files = try unzipped(archive.body)
            #expect(files.count == 2)
            #expect(files.keys.allSatisfy { $0.hasPrefix(begun.objectPrefix) })
            #expect(files.values.map { exportedLines($0).count }.sorted() == [321, 5_000])
            let users = try exportedUsers(in: archive.body)
            var members: [AttributeValue?] = []
            for try await member in muster.client.entries(of: ListSegmentMembers(segmentID: "s")) {
                members.append(member.externalID.map { .string($0.bytes) })
            }
            #expect(users.map { $0.fields["external_id"] } == members)
            let ada = try #require(users.first { $0.fields["external_id"] == "u-7" })
            #expect(
                try JSONEncoding.encode(ada)
                    == Array(
                        #"{"external_id":"u-7","first_name":"Ada","custom_attributes":{"plan":"gold"}}"#.utf8))
        }
    }

    @Test func anEmptySegmentHasAnArchiveToo() async throws {
        try await withMuster { muster in
            try await muster.saveSegment(.everyone)
            let begun = try await muster.beginExport()
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 1)
            let files = try unzipped(try await muster.fetch(begun.url).body)
            #expect(files.count == 1 && files.values.allSatisfy(\.isEmpty))
        }
    }

    @Test func anArchiveOfSeveralChunksIsComplete() async throws {
        try await withMuster { muster in
            // What doesn't get smaller by being zipped.
            var random = TestSeed("archive of more than one chunk").random
            for _ in 0..<20 {
                let entries = (0..<100).map { _ in
                    let text = (0..<1_000).map { _ in UInt8.random(in: 48..<123, using: &random) }.filter { $0 != 92 }
                    return UserEntry(externalID: Identifier("\(random.next())"), attributes: ["text": .string(text)])
                }
                _ = try await muster.send(UpsertUsers(users: entries))
            }
            try await muster.saveSegment(.everyone)
            let begun = try await muster.beginExport()
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 1)
            let archive = try await muster.fetch(begun.url).body
            #expect(archive.count > ExportArchive.chunkBytes)
            #expect(try exportedUsers(in: archive).count == 2_000)
        }
    }

    @Test func aSegmentIsExportedOnceAtATime() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            try await muster.saveSegment(.everyone)
            _ = try await muster.beginExport()
            let second = try await muster.admin("POST", "/users/export/segment", #"{"segment_id":"s"}"#)
            #expect(second.status == 429)
            #expect(second.headers["retry-after"] == "10")
            let details = try second.problem.details
            #expect(details?.reason == "in_progress" && details?.field == "segment_id" && details?.limit == nil)
            let reset = try #require(second.headers["x-ratelimit-reset"].flatMap(Int64.init))
            #expect(abs(Instant.now.microseconds / 1_000_000 + 10 - reset) <= 1)
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 1)
            _ = try await muster.beginExport()
        }
    }

    @Test func aWorkspaceMayHaveAHundredUnfinishedExports() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            for number in 0...100 { try await muster.saveSegment(.everyone, id: "s-\(number)") }
            for number in 0..<100 { _ = try await muster.beginExport(#"{"segment_id":"s-\#(number)"}"#) }
            let another = try await muster.admin("POST", "/users/export/segment", #"{"segment_id":"s-100"}"#)
            #expect(another.status == 429)
            let details = try another.problem.details
            #expect(details?.reason == "too_many" && details?.field == nil)
            #expect(details?.limit == "exports_unfinished" && details?.limitValue == 100)
        }
    }

    @Test func aCancelledExportIsNeverMade() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            try await muster.saveSegment(.everyone)
            let begun = try await muster.beginExport()
            let path = "/export/segment/cancel"
            let body = #"{"segment_id":"s"}"#
            let cancelled = try await muster.admin("POST", path, body)
            #expect(cancelled.status == 201 && cancelled.text == #"{"message":"success"}"#)
            #expect(try await muster.admin("POST", path, body).status == 404)
            #expect(try await muster.admin("POST", path, #"{"segment_id":7}"#).status == 400)
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 0)
            #expect(try await muster.fetch(begun.url).status == 410)
            _ = try await muster.beginExport()
        }
    }

    @Test func noArchiveShowsAnErasedUser() async throws {
        try await withMuster(users: ["u-1", "u-2", "u-3", "u-4"]) { muster in
            try await muster.saveSegment(.everyone)
            let begun = try await muster.beginExport()
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 1)
            // A merged user is not erased.
            _ = try await muster.send(MergeUsers(merge: .externalID("u-1"), keep: .externalID("u-2")))
            #expect(try await muster.fetch(begun.url).status == 200)
            _ = try await muster.send(DeleteUsers(users: [.externalID("u-3")]))
            let reply = try await muster.fetch(begun.url)
            #expect(reply.status == 410)
            #expect(try reply.problem.message.contains("was erased since"))
        }
    }

    @Test(arguments: [
        (#"{"segment_id":"nobody"}"#, "segment_id must be a string of the Segment api identifier"),
        (#"{"segment_id":7}"#, "segment_id must be a string of the Segment api identifier"), ("{}", "segment_id"),
        (#"{"segment_id":"s","callback_endpoint":"https://example.com"}"#, "callback_endpoint is not supported"),
        (#"{"segment_id":"s","output_format":"gzip"}"#, "output_format must be zip"),
        (#"{"segment_id":"s","fields_to_export":"email"}"#, "fields_to_export must be"),
    ])
    func aWrongRequestIsRefused(body: String, message: String) async throws {
        try await withMuster { muster in
            try await muster.saveSegment(.everyone)
            let reply = try await muster.admin("POST", "/users/export/segment", body)
            #expect(reply.status == 400, "\(reply.text)")
            #expect(try reply.problem.message.hasPrefix(message), "\(reply.text)")
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 0)
        }
    }

    @Test func moreThanFiveHundredCustomAttributesAreRefused() async throws {
        try await withMuster { muster in
            try await muster.saveSegment(.everyone)
            func body(_ count: Int) -> String {
                let names = (0..<count).map { "\"a\($0)\"" }.joined(separator: ",")
                return
                    #"{"segment_id":"s","custom_attributes_to_export":[\#(names)],"output_format":"zip","callback_endpoint":""}"#
            }
            #expect(try await muster.admin("POST", "/users/export/segment", body(501)).status == 400)
            #expect(try await muster.admin("POST", "/users/export/segment", body(500)).status == 201)
        }
    }

    @Test(arguments: [
        ("/users/export/segment", "users.export.segment"), ("/export/segment/cancel", "users.export.cancel"),
    ])
    func theKeyDecides(path: String, scope: String) async throws {
        try await withMuster(users: ["u-1"]) { muster in
            try await muster.saveSegment(.everyone)
            if scope == CancelExport.method { _ = try await muster.beginExport() }
            let own = try await muster.send(CreateKey(kind: .service, name: "x", scopes: [scope])).secret
            let other = try await muster.send(CreateKey(kind: .service, name: "x", scopes: ["segments.*"])).secret
            let body = #"{"segment_id":"s"}"#
            #expect(try await muster.server.rest("POST", path, body).status == 401)
            #expect(try await muster.server.rest("POST", path, body, bearer: other).status == 403)
            #expect(try await muster.server.rest("POST", path, body, bearer: own).status == 201)
        }
    }

    @Test func twoServersMakeEachArchiveOnce() async throws {
        try await withMuster(users: (0..<1_200).map { Identifier("u-\($0)") }) { muster in
            let second = try await TestServer(
                databaseURL: muster.database.serverURL, workspace: muster.server.workspace)
            for number in 0..<8 {
                try await muster.saveSegment(.everyone, id: "s-\(number)")
                _ = try await muster.beginExport(#"{"segment_id":"s-\#(number)"}"#)
            }
            async let one = muster.server.store.maintenance.runExports(keepHours: 4)
            async let other = second.store.maintenance.runExports(keepHours: 4)
            let (first, rest) = try await (one, other)
            #expect(first + rest == 8 && first > 0 && rest > 0)
            try await muster.database.run(
                "DO $$ BEGIN ASSERT (SELECT count(*) FROM segment_export WHERE state = 'done' AND attempt = 1) = 8; END $$"
            )
            await second.stop()
        }
    }
}
