import MusterClient
import MusterProtocol
import MusterStore
import MusterTestSupport
import Testing

/// How far an export is, by `users.export.get` and at the address of its archive.
@Suite struct ExportStateTests {
    private struct State: Decodable {
        let message: String
        let state: String?
    }

    /// What both say.
    private func expect(
        _ state: ExportState, _ status: Int, of begun: ExportSegment.Reply, _ muster: MusterUnderTest
    ) async throws {
        let call = GetExport(objectPrefix: Identifier(begun.objectPrefix))
        #expect(try await muster.send(call).state == state)
        let reply = try await muster.server.rest("GET", begun.path)
        #expect(reply.status == status, "\(state)")
        guard status != 200 else { return }
        #expect(reply.headers["content-type"] == "application/json")
        #expect((reply.headers["retry-after"] != nil) == (status == 202))
        #expect(try reply.decode(State.self).state == (status == 202 ? state.rawValue : nil))
    }

    private func begin(_ muster: MusterUnderTest) async throws -> ExportSegment.Reply {
        _ = try await muster.send(CreateSegment(segmentID: "s", name: "S", filter: .everyone))
        return try await muster.send(ExportSegment(segmentID: "s"))
    }

    @Test func theStateOfAnExportIsReported() async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            let begun = try await begin(muster)
            try await expect(.waiting, 202, of: begun, muster)
            let call = GetExport(objectPrefix: Identifier(begun.objectPrefix))
            let waiting = try await muster.send(call)
            #expect(waiting.objectPrefix == call.objectPrefix && waiting.segmentID == "s" && waiting.attempts == 0)
            #expect(waiting.byteCount == nil && waiting.expiresAt == nil)
            #expect(waiting.createdAt > .now - .seconds(60) && waiting.createdAt <= .now)

            try await muster.database.run(
                "UPDATE segment_export SET state = 'running', attempt = 1, lease_until = now() - interval '1 second'")
            try await expect(.running, 202, of: begun, muster)
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 1)
            try await expect(.done, 200, of: begun, muster)
            let done = try await muster.send(call)
            #expect(done.byteCount == (try await muster.server.rest("GET", begun.path)).body.count)
            #expect(done.attempts == 2)
            let left = try #require(done.expiresAt) - .hours(4)
            #expect(left > done.createdAt && left <= .now)

            try await muster.database.run("UPDATE segment_export SET expires_at = now() - interval '1 second'")
            try await expect(.expired, 410, of: begun, muster)
            // The archive goes, and what became of it is known for some days more.
            #expect(try await muster.server.store.maintenance.run(Retention()).exportsEnded == 1)
            try await expect(.expired, 410, of: begun, muster)
            #expect(try await muster.server.store.maintenance.run(Retention()) == MaintenanceReport())
            try await muster.database.run("UPDATE segment_export SET expires_at = now() - interval '7 days 1 second'")
            #expect(try await muster.server.store.maintenance.run(Retention()).exportsPruned == 1)
            let unknown = await #expect(throws: RPCError.self) { try await muster.send(call) }
            #expect(unknown?.code == .notFound)
            #expect(try await muster.server.rest("GET", begun.path).status == 404)
        }
    }

    @Test func theStateOfAFailedExportSaysWhy() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let begun = try await begin(muster)
            _ = try await muster.send(CancelExport(segmentID: "s"))
            try await expect(.cancelled, 410, of: begun, muster)

            let failed = try await muster.send(ExportSegment(segmentID: "s"))
            try await muster.database.run("UPDATE segment_export SET attempt = 10 WHERE state = 'waiting'")
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 0)
            try await expect(.failed, 410, of: failed, muster)

            let outdated = try await muster.send(ExportSegment(segmentID: "s"))
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 1)
            try await expect(.done, 200, of: outdated, muster)
            _ = try await muster.send(DeleteUsers(users: [.externalID("u-1")]))
            try await expect(.outdated, 410, of: outdated, muster)
        }
    }

    /// What can't be, unless the database was changed by hand: it is no export that will be there later.
    @Test func aFinishedExportWithoutAnArchiveIsAServerError() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let begun = try await begin(muster)
            try await muster.database.run(
                """
                ALTER TABLE segment_export DROP CONSTRAINT segment_export_result;
                UPDATE segment_export SET state = 'done', expires_at = now() + interval '1 hour';
                """)
            #expect(try await muster.server.rest("GET", begun.path).status == 500)
        }
    }

    @Test func theScopeToBeginAnExportAllowsToFollowIt() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let begun = try await begin(muster)
            let call = GetExport(objectPrefix: Identifier(begun.objectPrefix))
            for (scope, isAllowed) in [
                (ExportSegment.method, true), (GetExport.method, true), (CancelExport.method, false),
            ] {
                let key = try await muster.send(CreateKey(kind: .service, name: "x", scopes: [scope])).secret
                let client = muster.server.client(key: key)
                if isAllowed {
                    #expect(try await client.send(call).state == .waiting)
                } else {
                    let refusal = await #expect(throws: RPCError.self) { try await client.send(call) }
                    #expect(refusal?.code == .permissionDenied)
                }
                await client.close()
            }
        }
    }
}
