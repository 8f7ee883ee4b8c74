import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// Receipts of a partner, over all its cohorts.
@Suite struct ImportFindingTests {
    @Test func aReceiptIsFoundByItsRequestIDAlone() async throws {
        try await withMuster(users: ["u-1", "u-2"]) { muster in
            try await muster.importCohort("a", adding: ["u-1", "nobody"], requestID: "r-1")
            try await muster.importCohort("b", adding: ["u-2"], requestID: "r-2")
            let found = try await muster.send(ListImports(partner: "tinyclues", requestID: "r-1"))
            #expect(
                found == (try await muster.send(ListImports(partner: "tinyclues", cohortID: "a", requestID: "r-1"))))
            #expect(found.imports.map(\.cohortID) == ["a"] && found.imports.map(\.version) == [1])
            #expect(found.imports.first?.outcomes == [.init(.added, 1), .init(.unknown, 1)])
            #expect(found.imports.first?.shape == [ChangeShape(userIDs: 2, deviceIDs: 0, aliases: 0)])
            #expect(found.nextPageToken == nil)

            _ = try await muster.send(SetPartner(partner: "other"))
            try await muster.importCohort("c", adding: ["u-1"])
            try await muster.database.run(
                "UPDATE cohort_import SET request_id = 'servers-own' WHERE NOT from_caller")
            for (partner, id) in [("tinyclues", "r-3"), ("tinyclues", "servers-own"), ("other", "r-1"), ("no", "r-1")] {
                await refused(.notFound, "this partner has no import of this request_id") {
                    _ = try await muster.send(ListImports(partner: partner, requestID: Identifier(id)))
                }
            }
        }
    }

    @Test func aReceiptIsDeletedWithItsCohort() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            try await muster.importCohort("a", adding: ["u-1"], requestID: "r-1")
            _ = try await muster.send(DeleteCohort(partner: "tinyclues", cohortID: "a"))
            try await muster.importCohort("a", adding: ["u-1"], requestID: "r-2")
            await refused(.notFound, "this partner has no import of this request_id, or its cohort was deleted") {
                _ = try await muster.send(ListImports(partner: "tinyclues", requestID: "r-1"))
            }
            let all = try await muster.send(ListImports(partner: "tinyclues"))
            #expect(all.imports.map(\.requestID) == ["r-2"])
        }
    }

    @Test func thePartnersImportsAreListedNewestFirst() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            var names: [Identifier] = []
            for number in 0..<7 {
                names.insert(Identifier("r-\(number)"), at: 0)
                try await muster.importCohort(
                    Identifier("c-\(number % 3)"), adding: ["u-1"], requestID: names[0])
            }
            _ = try await muster.send(SetPartner(partner: "other"))
            _ = try await muster.send(
                ImportCohort(partner: "other", cohortID: "c-0", changes: [.adding(userIDs: ["u-1"])]))
            func listed(_ pageSize: Int?) async throws -> [ImportInfo] {
                var imports: [ImportInfo] = []
                for try await page in muster.client.pages(ListImports(partner: "tinyclues", pageSize: pageSize)) {
                    #expect(page.imports.count <= pageSize ?? 1_000)
                    imports += page.imports
                }
                return imports
            }
            let whole = try await listed(nil)
            #expect(whole.map(\.requestID) == names)
            #expect(whole.map(\.cohortID) == [0, 2, 1, 0, 2, 1, 0].map { Identifier("c-\($0)") })
            #expect(whole.allSatisfy { $0.outcomes == nil && $0.shape == nil })
            for size in [1, 2, 3, 7] { #expect(try await listed(size) == whole, "pages of \(size)") }

            // What happened in the same microsecond has an order too.
            try await muster.database.run("UPDATE cohort_import SET imported_at = '2026-01-01'")
            let together = try await listed(nil)
            #expect(Set(together.map(\.requestID)) == Set(names))
            for size in [1, 2, 3] { #expect(try await listed(size) == together, "pages of \(size)") }
            await refused(.notFound, "there is no such partner") {
                _ = try await muster.send(ListImports(partner: "nobody"))
            }
        }
    }

    @Test func aDataImportKeyFindsTheImportsOfItsPartner() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            try await muster.importCohort("a", adding: ["u-1"], requestID: "r-1")
            _ = try await muster.send(SetPartner(partner: "other"))
            func client(_ partner: String) async throws -> MusterClient {
                muster.server.client(
                    key: try await muster.send(CreateKey(kind: .import, partner: partner, name: partner)).secret)
            }
            let (own, other) = (try await client("tinyclues"), try await client("other"))
            #expect(try await own.send(ListImports(partner: "tinyclues", requestID: "r-1")).imports.count == 1)
            #expect(try await own.send(ListImports(partner: "tinyclues")).imports.count == 1)
            for call in [ListImports(partner: "tinyclues", requestID: "r-1"), ListImports(partner: "tinyclues")] {
                await refused(.permissionDenied, "this data import key belongs to another partner") {
                    _ = try await other.send(call)
                }
            }
            await own.close()
            await other.close()
        }
    }

    /// A page of a partner with few imports among many must not go through all of them.
    @Test func theListIsReadFromItsIndex() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            // One among two hundred partners, with half of twenty thousand imports.
            try await muster.database.run(
                """
                INSERT INTO partner (workspace_id, partner, display_name, created_at)
                SELECT workspace_id, 'p-' || n, 'P', now() FROM workspace, generate_series(1, 200) n;
                INSERT INTO cohort_import
                SELECT workspace_id, 1000, n, CASE WHEN n % 2 = 0 THEN 'tinyclues' ELSE 'p-' || 1 + n % 200 END, false, n,
                    sha256(''), 'k', now() - n * interval '1 min', 1, '', '' FROM workspace, generate_series(1, 20000) n;
                ANALYZE cohort_import
                """)
            let position = ImportPosition(importedAt: Instant.now.microseconds, setNumber: 7, version: 7)
            let workspace = muster.server.workspace.id
            for position in [nil, position] {
                var explain: SQL = "EXPLAIN "
                explain += ImportInfo.listing(of: "tinyclues", after: position, limit: 10, in: workspace)
                let sql = explain
                let plan = try await muster.server.store.in(workspace).read(sql) { row in
                    try row.value(0, as: String.self)
                }.joined(separator: "\n")
                #expect(plan.contains("Scan Backward using cohort_import_of_partner"), "\(plan)")
                #expect(!plan.contains("Sort") && !plan.contains("Seq Scan"), "\(plan)")
            }
        }
    }

    /// Also while PostgreSQL has no statistics, when any index with the same beginning would do as well by its
    /// reckoning.
    @Test func aRequestIDIsLookedUpInItsOwnIndex() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let workspace = muster.server.workspace.id
            var explain: SQL = "EXPLAIN "
            explain += ImportID("r-1").lookup(of: "tinyclues", in: workspace)
            let plan = try await muster.server.store.in(workspace).read(explain) { row in
                try row.value(0, as: String.self)
            }.joined(separator: "\n")
            #expect(plan.contains("cohort_import_request_unique"), "\(plan)")
        }
    }
}
