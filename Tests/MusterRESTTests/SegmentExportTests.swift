import MusterClient
import MusterProtocol
import MusterStore
import MusterTestSupport
import TestSupport
import Testing

@Suite struct SegmentExportTests {
    private struct Begun: Decodable {
        let message: String
        let objectPrefix: String
        let url: String

        enum CodingKeys: String, CodingKey {
            case message, url
            case objectPrefix = "object_prefix"
        }
    }

    /// The connection is still good afterwards, though nothing of the archive can be read.
    @Test func aHEADRequestReadsNothingOfTheArchive() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            try await muster.saveSegment(.everyone)
            let begun = try await begin(muster, #"{"segment_id":"s","fields_to_export":["external_id"]}"#)
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 1)
            let length = try await muster.fetch(begun.url).body.count
            try await muster.database.run("REVOKE ALL ON export_chunk FROM muster_server")
            let connection = try await RawHTTP(port: try await muster.server.restPort())
            let path = begun.url.replacing("https://rest.example", with: "")
            try await connection.send("HEAD", path)
            #expect(await eventually { connection.text().hasSuffix("\r\n\r\n") })
            let head = connection.text().lowercased()
            #expect(head.hasPrefix("http/1.1 200") && head.contains("content-length: \(length)\r\n"))
            try await connection.send("GET", "/nowhere")
            #expect(await eventually { connection.text().dropFirst(head.count).hasPrefix("HTTP/1.1 404") })
            await connection.close()
        }
    }

    @Test func theArchiveHoldsTheMembersOneByOne() async throws {
        let ids = (0..<5_321).map { Identifier("u-\($0)") }
        try await withMuster(users: ids + ["not-in-it"]) { muster in
            try await muster.importCohort("c", adding: IdentifierList(ids))
            _ = try await muster.send(
                UpsertUsers(users: [
                    UserEntry(externalID: "u-7", attributes: ["first_name": "Ada", "plan": "gold", "more": 1])
                ]))
            try await muster.saveSegment(.cohort("tinyclues", "c"))
            let begun = try await begin(
                muster,
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
            let begun = try await begin(muster)
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
            let begun = try await begin(muster)
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 1)
            let archive = try await muster.fetch(begun.url).body
            #expect(archive.count > ExportArchive.chunkBytes)
            #expect(try exportedUsers(in: archive).count == 2_000)
        }
    }

    @Test func aSegmentIsExportedOnceAtATime() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            try await muster.saveSegment(.everyone)
            _ = try await begin(muster)
            let second = try await muster.admin("POST", "/users/export/segment", #"{"segment_id":"s"}"#)
            #expect(second.status == 429)
            #expect(second.headers["retry-after"] == "10")
            let details = try second.problem.details
            #expect(details?.reason == "in_progress" && details?.field == "segment_id" && details?.limit == nil)
            let reset = try #require(second.headers["x-ratelimit-reset"].flatMap(Int64.init))
            #expect(abs(Instant.now.microseconds / 1_000_000 + 10 - reset) <= 1)
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 1)
            _ = try await begin(muster)
        }
    }

    @Test func aWorkspaceMayHaveAHundredUnfinishedExports() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            for number in 0...100 { try await muster.saveSegment(.everyone, id: "s-\(number)") }
            for number in 0..<100 { _ = try await begin(muster, #"{"segment_id":"s-\#(number)"}"#) }
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
            let begun = try await begin(muster)
            let path = "/export/segment/cancel"
            let body = #"{"segment_id":"s"}"#
            let cancelled = try await muster.admin("POST", path, body)
            #expect(cancelled.status == 201 && cancelled.text == #"{"message":"success"}"#)
            #expect(try await muster.admin("POST", path, body).status == 404)
            #expect(try await muster.admin("POST", path, #"{"segment_id":7}"#).status == 400)
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 0)
            #expect(try await muster.fetch(begun.url).status == 410)
            _ = try await begin(muster)
        }
    }

    @Test func aDownloadURLExpiresWithItsArchive() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            try await muster.saveSegment(.everyone)
            let begun = try await begin(muster)
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 1)
            #expect(try await muster.server.store.maintenance.run(Retention()).exportsEnded == 0)
            #expect(try await muster.fetch(begun.url).status == 200)
            try await muster.database.run(
                """
                UPDATE segment_export SET expires_at = expires_at - interval '3 hours 59 minutes'
                """)
            #expect(try await muster.fetch(begun.url).status == 200)
            try await muster.database.run("UPDATE segment_export SET expires_at = expires_at - interval '1 minute'")
            #expect(try await muster.fetch(begun.url).status == 410)
            #expect(try await muster.server.store.maintenance.run(Retention()).exportsEnded == 1)
            try await muster.database.run("DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM export_chunk); END $$")
        }
    }

    @Test func noArchiveShowsAnErasedUser() async throws {
        try await withMuster(users: ["u-1", "u-2", "u-3", "u-4"]) { muster in
            try await muster.saveSegment(.everyone)
            let begun = try await begin(muster)
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

    @Test func aRepeatGetsTheSameURLWhichNoRecordedResponseHolds() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            try await muster.saveSegment(.everyone)
            let call = ExportSegment(segmentID: "s", requestID: "r-1")
            let begun = try await muster.send(call)
            #expect(try await muster.send(call) == begun)
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 1)
            let again = try await muster.send(call)
            #expect(again == begun && again.url == "https://rest.example" + again.path)
            #expect(try await muster.fetch(again.path).status == 200)
            let token = try #require(again.path.split(separator: "/").last).dropLast(4).dropFirst(2)
            try await muster.database.run(
                """
                DO $$ BEGIN
                    ASSERT EXISTS (SELECT FROM request_record WHERE convert_from(reply, 'UTF8') LIKE '%\(begun.objectPrefix)%');
                    ASSERT NOT EXISTS (SELECT FROM request_record WHERE convert_from(reply, 'UTF8') LIKE '%\(token)%');
                END $$
                """)
            let other = try await muster.send(ExportSegment(segmentID: "s", requestID: "r-2"))
            #expect(other.path != begun.path && other.objectPrefix != begun.objectPrefix)
        }
    }

    /// Clients may write any character of a path so.
    @Test func aDownloadURLMayBePercentEncoded() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            try await muster.saveSegment(.everyone)
            let begun = try await muster.send(ExportSegment(segmentID: "s"))
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 1)
            let written = begun.path.replacing("-", with: "%2D").replacing(".", with: "%2e")
            #expect(try await muster.fetch(written).status == 200)
        }
    }

    @Test func aDownloadURLCannotBeGuessedAndItsTokenIsNotStored() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            try await muster.saveSegment(.everyone)
            let begun = try await begin(muster)
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 1)
            let name = String(begun.url.split(separator: "/").last ?? "")
            var other = Array(name.utf8)
            other[10] = other[10] == 65 ? 66 : 65
            let wrong = [
                String(decoding: other, as: UTF8.self), "7" + name.dropFirst(), "x.zip", ".zip", "-1.zip",
                "\(begun.objectPrefix).zip", String(name.dropLast(4)),
            ]
            for name in wrong { #expect(try await muster.fetch("/exports/\(name)").status == 404, "\(name)") }
            // `1-`, 43 characters of 62, a checksum of 6, `.zip`.
            #expect(name.utf8.count == 55)
            let token = String(name.dropLast(4))
            try await muster.database.run(
                """
                DO $$ BEGIN
                    ASSERT NOT EXISTS (SELECT FROM segment_export e WHERE to_jsonb(e)::text LIKE '%\(token.dropFirst(2))%');
                END $$
                """)
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
            if scope == CancelExport.method { _ = try await begin(muster) }
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
                _ = try await begin(muster, #"{"segment_id":"s-\#(number)"}"#)
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

    private func begin(_ muster: MusterUnderTest, _ body: String = #"{"segment_id":"s"}"#) async throws -> Begun {
        let reply = try await muster.admin("POST", "/users/export/segment", body)
        #expect(reply.status == 201, "\(reply.text)")
        let begun = try reply.decode(Begun.self)
        #expect(begun.message == "success")
        return begun
    }
}

extension MusterUnderTest {
    fileprivate func saveSegment(_ filter: Filter, id: String = "s") async throws {
        _ = try await send(CreateSegment(segmentID: Identifier(id), name: id, filter: filter))
    }

    /// Downloads from the URL of an export through this server, without a key; the host of the URL is ignored.
    fileprivate func fetch(_ url: String) async throws -> RESTReply {
        let path = url.hasPrefix("/") ? url : "/" + url.split(separator: "/").dropFirst(2).joined(separator: "/")
        return try await server.rest("GET", path)
    }
}
