import Foundation
import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// What a dump holds is all that Muster knows.
struct DumpTests {
    @Test func aRestoredDumpHasTheSameRowsAndAnswers() async throws {
        try await TestDatabase.with { test in
            let workspace = try await test.makeAdministered("filled")
            try await with(test.serverURL, workspace) { try await fill($0, $1) }
            let before = try await contents(test.ownerURL)
            #expect(
                before.filter { $0.value.isEmpty && !$0.key.contains(/_(rest|earlier|[0-9_]+)$/) }.keys.sorted() == [])
            let answers = try await with(test.serverURL, workspace) { _, client in try await self.answers(client) }
            try await TestDatabase.withEmpty { copy in
                try await copy.restoreDump(of: test)
                #expect(try await contents(copy.ownerURL) == before)
                try await with(copy.serverURL, workspace) { server, client in
                    #expect(try await self.answers(client) == answers)
                    let report = try await server.store.maintenance.verify(deadline: .soon)
                    #expect(report.problems == [] && report.sets >= 3)
                    // A repeat is known, and work goes on from where it was.
                    #expect(try await client.send(Self.imports[0]).version == 1)
                    let more = ImportCohort(
                        partner: "tinyclues", cohortID: "a", changes: [.adding(userIDs: ["u-39", "anew"])])
                    #expect(try await client.send(UpsertUsers(users: [UserEntry(externalID: "anew")])).created == 1)
                    #expect(try await client.send(more).version == 5)
                    #expect(try await server.store.maintenance.runExports(keepHours: 4) == 0)
                }
            }
        }
    }

    private func with<R>(
        _ url: String, _ workspace: NewWorkspace, _ body: (TestServer, MusterClient) async throws -> R
    ) async throws -> R {
        let server = try await TestServer(databaseURL: url, workspace: workspace)
        let client = server.client()
        let result: Result<R, any Error>
        do { result = .success(try await body(server, client)) } catch { result = .failure(error) }
        await client.close()
        await server.stop()
        return try result.get()
    }

    private static let imports = [
        ImportCohort(
            partner: "tinyclues", cohortID: "a", requestID: "a-1",
            changes: [.adding(userIDs: IdentifierList((0..<30).map { Identifier("u-\($0)") } + ["nobody"]))]),
        ImportCohort(
            partner: "tinyclues", cohortID: "a", requestID: "a-2",
            changes: [.removing(userIDs: ["u-3", "u-35"]), .adding(userIDs: ["u-31"])]),
        ImportCohort(partner: "tinyclues", cohortID: "b", changes: [.adding(userIDs: ["u-1", "u-2", "u-5", "u-6"])]),
        ImportCohort(partner: "tinyclues", cohortID: "gone", changes: [.adding(userIDs: ["u-1"])]),
    ]

    /// Something in every table.
    private func fill(_ server: TestServer, _ client: MusterClient) async throws {
        _ = try await client.send(SetPartner(partner: "tinyclues", displayName: "Ünö 'quoted'\n"))
        _ = try await client.send(CreateKey(kind: .import, partner: "tinyclues", name: "push"))
        let users = (0..<40).map { fixture in
            UserEntry(
                externalID: Identifier("u-\(fixture)"),
                aliases: [Alias(label: "crm", name: Identifier("é-\(fixture)"))],
                deviceIDs: [Identifier("d-\(fixture)")],
                attributes: ["country": fixture % 2 == 0 ? "FR" : "DE", "email": "a@x.eu", "quoted": "\\ \"\n\t"])
        }
        _ = try await client.send(UpsertUsers(users: users, requestID: "users"))
        for call in Self.imports { _ = try await client.send(call) }
        let workspace = server.workspace.id
        let a = try await server.store.in(workspace).read(
            "SELECT set_number FROM cohort WHERE workspace_id = \(workspace) AND cohort_id = \(Identifier("a"))"
        ) { row in try row.value(0, as: Int32.self) }
        #expect(
            try await server.store.maintenance.in(workspace).compact(SetKey(workspace: workspace, number: a[0])) == 2)
        _ = try await client.send(MergeUsers(merge: .externalID("u-5"), keep: .externalID("u-4")))
        _ = try await client.send(DeleteUsers(users: [.externalID("u-6")]))
        _ = try await client.send(RenameExternalIDs(renames: [.init(current: "u-7", new: "seven")]))
        _ = try await client.send(DeleteCohort(partner: "tinyclues", cohortID: "gone"))
        let tracked = """
            {"events":[{"external_id":"u-1","name":"login","time":"\(Instant.now.iso8601)"},
             {"external_id":"u-2","name":"login","time":"1997-03-01"}],
             "purchases":[{"external_id":"u-2","product_id":"book","currency":"EUR","price":9.99,"time":"\(Instant.now.iso8601)"}]}
            """
        _ = try await client.send(JSONDecoding.decode(TrackUsers.self, from: Array(tracked.utf8)))
        let french = Filter.all([.attribute("country", .equals, .string("FR")), .cohort("tinyclues", "a")])
        _ = try await client.send(CreateSegment(segmentID: "french", name: "French", filter: french))
        let nested = Filter.any([
            .segment("french"), .cohort("tinyclues", "b"), .event(.init(name: "login")),
            .purchase(.init(productID: "book")),
        ])
        _ = try await client.send(CreateSegment(segmentID: "nested", name: "Nested", filter: nested))
        _ = try await client.send(ExportSegment(segmentID: "nested"))
        #expect(try await server.store.maintenance.runExports(keepHours: 4) == 1)
        _ = try await server.store.maintenance.run(Retention())
        // Of an erasure whose server ended before it was in a journal.
        try await server.store.in(workspace).transaction { connection in
            try connection.execute(
                """
                INSERT INTO erasure_to_journal (workspace_id, braze_id, erased_at)
                VALUES (\(workspace), 'gone', \(Instant.now))
                """)
        }
        // A page that goes on later has its members stored, and tokens are sealed with a key.
        _ = try await client.send(ListSegmentMembers(filter: french, pageSize: 2))
    }

    /// What a service and an operator can ask, as it stands on the wire.
    private func answers(_ client: MusterClient) async throws -> [String] {
        func text<C: Call>(_ call: C) async throws -> String {
            String(decoding: try JSONEncoding.encode(try await client.send(call)), as: UTF8.self)
        }
        let users = (0..<41).map { UserReference.externalID(Identifier("u-\($0)")) }
        let more: [UserReference] = [.externalID("seven"), .alias(Alias(label: "crm", name: "é-8")), .deviceID("d-9")]
        var answers = [
            try await text(CheckSegments(users: users + more, segments: ["french", "nested"])),
            try await text(SizeSegment(segmentID: "french", withVersions: true)),
            try await text(SizeSegment(segmentID: "nested", withVersions: true)),
            try await text(ListSegmentMembers(segmentID: "nested", allIdentifiers: true)),
            try await text(ListSegments()), try await text(ListCohorts()), try await text(ListPartners()),
            try await text(ListKeys()), try await text(ListImports(partner: "tinyclues", cohortID: "b")),
        ]
        for cohort in ["a", "b"] as [Identifier] {
            answers.append(try await text(ListCohortMembers(partner: "tinyclues", cohortID: cohort)))
        }
        for version: Int64 in 1...2 {
            answers.append(try await text(ListImports(partner: "tinyclues", cohortID: "a", version: version)))
        }
        for user in more { answers.append(try await text(GetUser(user: user))) }
        return answers
    }

    /// A digest of the rows of each table.
    private func contents(_ url: String) async throws -> [String: String] {
        try await TestDatabase.open(url) { database in
            try await database.figures("SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM %1$I AS t")
        }
    }
}
