import Foundation
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import TestSupport
import Testing

@testable import MusterStore

/// Erasures after a restore of a backup of before them.
struct RestoredErasureTests {
    @Test func erasedUsersStayErasedAfterARestore() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "muster-journal-\(UUID().uuidString)").path
        defer { for number in 1...2 { try? FileManager.default.removeItem(atPath: "\(file).\(number)") } }
        try await TestDatabase.with { test in
            try await test.withStore(journal: ErasureJournal(path: "\(file).1", logger: quietLogger)) { store in
                let workspace = test.workspace
                try await store.register((0..<10).map { "u-\($0)" }, in: workspace)
                try await store.fillCohort((0..<10).map { "u-\($0)" }, in: workspace)
                try await store.erase(["u-9"], in: workspace)
                try await TestDatabase.withEmpty { copy in
                    try await copy.restoreDump(of: test)
                    // What the backup lacks: erased by two servers, one of them merged into the other before.
                    try await store.register(["x-10", "x-11"], in: workspace)
                    try await store.erase(["u-1", "x-10"], in: workspace)
                    try await test.withStore(journal: ErasureJournal(path: "\(file).2", logger: quietLogger)) { other in
                        try await other.merge("u-3", into: "u-4", in: workspace)
                        try await other.erase(["u-4"], in: workspace)
                    }
                    try await check(copy, workspace, files: (1...2).map { "\(file).\($0)" })
                }
            }
        }
    }

    private func check(_ copy: TestDatabase, _ workspace: WorkspaceID, files: [String]) async throws {
        // The numbers of x-10 and x-11, and the external id of a user erased elsewhere, are given to other users.
        try await copy.withStore { store in try await store.register(["y-10", "y-11"], in: workspace) }
        var journal = JournalContent()
        for file in files { journal.formUnion(try JournalContent(file: file)) }
        let named = try #require(journal.registrations[workspace])
        #expect(named.count == 5 && journal.registrations.count == 1)
        let applied = try await TestDatabase.open(copy.ownerURL, connections: 1) { database in
            let store = Store(database: database, logger: quietLogger)
            var applied: [Int] = []
            // As many of nobody go before them as are erased at a time.
            let named = named.union((0..<Limits.deleteUsers.value).map { Identifier("!\($0)") })
            let other = WorkspaceID(rawValue: workspace.rawValue + 1_000)
            for workspace in [workspace, workspace, other] {
                applied.append(try await store.in(workspace).erasures.apply(named))
            }
            return applied
        }
        // Once, and no user of a workspace that the backup lacks.
        #expect(applied == [3, 0, 0])
        let (left, size, problems) = try await copy.withStore { store in
            var left: [String] = []
            for id in ["y-10", "y-11"] + (0..<10).map({ "u-\($0)" }) where try await store.isThere(id, in: workspace) {
                left.append(id)
            }
            let cohort = CohortReference(partner: "p", cohortID: "c")
            let size = try await store.in(workspace).cohorts.get(cohort)?.size
            return (left, size, try await store.maintenance.verify(deadline: .soon).problems)
        }
        #expect(left == ["y-10", "y-11", "u-0", "u-2", "u-5", "u-6", "u-7", "u-8"])
        #expect(size == 6 && problems == [])
    }
}

extension Store {
    fileprivate func register(_ ids: [String], in workspace: WorkspaceID) async throws {
        _ = try await self.in(workspace).users.upsert(
            ids.map { UserEntry(externalID: Identifier($0)) }, request: IdempotencyKey(method: UpsertUsers.method))
    }

    fileprivate func fillCohort(_ ids: [String], in workspace: WorkspaceID) async throws {
        _ = try await self.in(workspace).partners.set("p", PartnerChange(), at: .now)
        let changes = [CohortChange.adding(userIDs: IdentifierList(ids.map { Identifier($0) }))]
        _ = try await self.in(workspace).cohorts.import(
            ImportRequest(
                cohort: .init(partner: "p", cohortID: "c"), requestID: nil, changes: changes,
                digest: [UInt8](repeating: 0, count: 32), keyID: "k"))
    }

    fileprivate func erase(_ ids: [String], in workspace: WorkspaceID) async throws {
        _ = try await self.in(workspace).users.delete(
            ids.map { .externalID(Identifier($0)) }, request: IdempotencyKey(method: DeleteUsers.method))
    }

    fileprivate func merge(_ id: String, into kept: String, in workspace: WorkspaceID) async throws {
        _ = try await self.in(workspace).users.merge(
            .externalID(Identifier(id)), into: .externalID(Identifier(kept)),
            request: IdempotencyKey(method: MergeUsers.method))
    }

    fileprivate func isThere(_ id: String, in workspace: WorkspaceID) async throws -> Bool {
        try await self.in(workspace).users.get(.externalID(Identifier(id))) != nil
    }
}
