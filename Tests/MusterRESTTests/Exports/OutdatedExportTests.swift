import MusterProtocol
import MusterStore
import MusterTestSupport
import NIOConcurrencyHelpers
import Postgres
import TestSupport
import Testing

/// Archives of exports after a user in them is erased.
@Suite struct OutdatedExportTests {
    private func chunks(_ muster: MusterUnderTest) async throws -> Int {
        try await TestDatabase.open(muster.database.ownerURL, connections: 1) { owner in
            try await owner.transaction(deadline: .soon) { connection in
                try connection.first("SELECT count(*) FROM export_chunk") { row in try row.value(0, as: Int.self) } ?? 0
            }
        }
    }

    private func begin(_ muster: MusterUnderTest, _ filter: Filter = .everyone) async throws -> ExportSegment.Reply {
        _ = try await muster.send(CreateSegment(segmentID: "s", name: "S", filter: filter))
        return try await muster.send(ExportSegment(segmentID: "s", fieldsToExport: ["external_id"]))
    }

    private func state(_ begun: ExportSegment.Reply, _ muster: MusterUnderTest) async throws -> ExportState {
        try await muster.send(GetExport(objectPrefix: Identifier(begun.objectPrefix))).state
    }

    @Test func maintenanceDeletesTheArchiveOfAnErasedUser() async throws {
        try await withMuster(users: ["u-1", "u-2", "other"]) { muster in
            try await muster.importCohort("c", adding: ["u-1", "u-2"])
            let begun = try await begin(muster, .cohort("tinyclues", "c"))
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 1)

            // The erasure of a user outside of it does not end it.
            _ = try await muster.send(DeleteUsers(users: [.externalID("other")]))
            #expect(try await muster.server.store.maintenance.run(Retention()).exportsOutdated == 0)
            #expect(try await state(begun, muster) == .done)
            #expect(try await chunks(muster) == 1)

            _ = try await muster.send(DeleteUsers(users: [.externalID("u-1")]))
            #expect(try await muster.server.rest("GET", begun.path).status == 410)
            #expect(try await muster.server.store.maintenance.run(Retention()).exportsOutdated == 1)
            #expect(try await chunks(muster) == 0)
            #expect(try await state(begun, muster) == .outdated)
            #expect(try await muster.server.rest("GET", begun.path).status == 410)
            #expect(try await muster.server.store.maintenance.run(Retention()).exportsOutdated == 0)

            // It stays so when its hours are over.
            try await muster.database.run("UPDATE segment_export SET expires_at = now() - interval '1 second'")
            #expect(try await state(begun, muster) == .outdated)
        }
    }

    @Test func aMergedUserStaysInTheArchiveUntilTheKeptUserIsErased() async throws {
        try await withMuster(users: ["kept", "merged"]) { muster in
            try await muster.importCohort("c", adding: ["merged"])
            let begun = try await begin(muster, .cohort("tinyclues", "c"))
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 1)
            _ = try await muster.send(MergeUsers(merge: .externalID("merged"), keep: .externalID("kept")))
            #expect(try await muster.server.store.maintenance.run(Retention()).exportsOutdated == 0)
            #expect(try await state(begun, muster) == .done)
            _ = try await muster.send(DeleteUsers(users: [.externalID("kept")]))
            #expect(try await muster.server.store.maintenance.run(Retention()).exportsOutdated == 1)
            #expect(try await chunks(muster) == 0)
        }
    }

    @Test func anErasureDuringAnExportRestartsTheExport() async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            let begun = try await begin(muster)
            let isFirst = NIOLockedValueBox(true)
            muster.server.store.failpoints.set(.exportStored) {
                guard
                    isFirst.withLockedValue({ first in
                        first
                            ? {
                                first = false
                                return true
                            }() : false
                    })
                else {
                    return
                }
                do { _ = try await muster.send(DeleteUsers(users: [.externalID("u-1")])) } catch { Issue.record(error) }
            }
            defer { muster.server.store.failpoints.set(.exportStored, nil) }
            #expect(try await muster.server.store.maintenance.runExports(keepHours: 4) == 1)
            let archive = try await muster.server.rest("GET", begun.path)
            #expect(archive.status == 200)
            #expect(try exportedUsers(in: archive.body).map { $0.fields["external_id"] } == ["u-2"])
            let reply = try await muster.send(GetExport(objectPrefix: Identifier(begun.objectPrefix)))
            #expect(reply.attempts == 2)
        }
    }
}
