import Glibc
import MusterClient
import MusterHandlers
import MusterProtocol
import MusterStore
import MusterTestSupport
import Postgres
import TestSupport
import Testing

/// A real server is ended during an export, and another one starts the export again.
@Suite(.timeLimit(.minutes(2))) struct ExportCrashTests {
    private static let userCount = 30_000

    @Test func anotherServerContinuesTheExportOfAKilledOne() async throws {
        try await withMuster(users: .users(0..<Self.userCount)) { muster in
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "s", filter: .everyone))
            let begun = try await ServerProcess.with(muster.database.serverURL) { first in
                let begun = try await muster.send(ExportSegment(segmentID: "s", fieldsToExport: ["external_id"]))
                try await untilRow(muster, "state = 'running' AND attempt = 1")
                first.send(SIGKILL)
                #expect(await first.ended() == -1)
                return begun
            }
            // Killed in the middle, not after the end.
            try await untilRow(muster, "state = 'running' AND attempt = 1")
            #expect(try await muster.server.rest("GET", begun.path).status == 202)

            try await ServerProcess.with(muster.database.serverURL) { second in
                try await untilRow(muster, "state = 'done' AND attempt = 2")
                await second.stop()
            }

            // Any server serves it, including this one.
            let archive = try await muster.server.rest("GET", begun.path)
            #expect(archive.status == 200)
            let exported = try exportedUsers(in: archive.body).map { $0.fields["external_id"] }
            let members = try await muster.members(of: .everyone, pageSize: 10_000)
            #expect(exported.count == Self.userCount)
            #expect(exported == members.map { .string($0.bytes) })
        }
    }

    /// A server that was thought dead must not write into the archive of the one that took over.
    @Test func aServerThatLostItsLeaseStopsWriting() async throws {
        try await withMuster(users: .users(0..<3_000)) { muster in
            _ = try await muster.send(CreateSegment(segmentID: "s", name: "s", filter: .everyone))
            let second = try await TestServer(
                databaseURL: muster.database.serverURL, workspace: muster.server.workspace)
            let begun = try await muster.send(ExportSegment(segmentID: "s", fieldsToExport: ["external_id"]))
            async let slow = muster.server.store.maintenance.runExports(keepHours: 4)
            try await untilRow(muster, "state = 'running'")
            try await owner(muster, "UPDATE segment_export SET lease_until = now() - interval '1 second'")
            let taken = try await second.store.maintenance.runExports(keepHours: 4)
            let kept = try await slow
            #expect(taken == 1 && kept == 0)
            let archive = try await second.rest("GET", begun.path)
            #expect(try exportedUsers(in: archive.body).count == 3_000)
            await second.stop()
        }
    }

    private func untilRow(_ muster: MusterUnderTest, _ condition: String) async throws {
        for _ in 0..<12_000 {
            let script = "DO $$ BEGIN ASSERT EXISTS (SELECT FROM segment_export WHERE \(condition)); END $$"
            do { return try await owner(muster, script) } catch is PostgresError {}
            try await Task.sleep(for: .milliseconds(5))
        }
        throw ServerProcess.NotServing()
    }

    private func owner(_ muster: MusterUnderTest, _ script: String) async throws {
        try await TestDatabase.open(muster.database.ownerURL, connections: 1) { database in
            try await database.withConnection(deadline: .soon) { connection in try connection.run(script: script) }
        }
    }
}
