import MusterClient
import MusterProtocol
import MusterStore
import MusterTestSupport
import TestSupport
import Testing

/// The URL at which the archive of an export is downloaded.
@Suite struct ExportURLTests {
    /// The connection is still good afterwards, though nothing of the archive can be read.
    @Test func aHEADRequestReadsNothingOfTheArchive() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            try await muster.saveSegment(.everyone)
            let begun = try await muster.beginExport(#"{"segment_id":"s","fields_to_export":["external_id"]}"#)
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

    @Test func aDownloadURLExpiresWithItsArchive() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            try await muster.saveSegment(.everyone)
            let begun = try await muster.beginExport()
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
            let begun = try await muster.beginExport()
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
}
