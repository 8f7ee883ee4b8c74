import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// The log of segments, and the head that orders their changes.
@Suite struct DefinitionLogTests {
    @Test func eachChangeOfASegmentIsLoggedAndNothingElseIs() async throws {
        try await RegistryFixture.with { fixture in
            #expect(try await fixture.create("a") == 1)
            #expect(try await fixture.create("b", .segment("a")) == 2)
            #expect(try await fixture.create("a") == nil)
            #expect(try await fixture.segments.update("a", name: "other", filter: nil) == .updated(version: 1))
            #expect(try await fixture.segments.update("a", name: nil, filter: .not(.everyone)) == .updated(version: 4))
            #expect(try await fixture.segments.update("c", name: "c", filter: nil) == .unknown)
            let late = try await fixture.segments.update("a", name: "late", filter: .everyone, ifVersion: 1)
            #expect(late == .otherVersion(4))
            await #expect(throws: FilterFault.self) {
                _ = try await fixture.segments.update("a", name: nil, filter: .segment("b"))
            }
            #expect(try await fixture.segments.delete("a") == .used(by: ["b"]))
            #expect(try await fixture.segments.delete("c") == .unknown)
            #expect(try await fixture.segments.delete("b") == .deleted)
            let lines = try await fixture.definitionLog()
            #expect(lines == ["1 a", "2 b", "3 a", "4 a", "5 b"])
            // Made again, it is another segment.
            #expect(try await fixture.create("b") == 6)
            #expect(try await fixture.store.maintenance.verify(deadline: .soon).problems == [])
        }
    }

    @Test func concurrentChangesAreLoggedInOrder() async throws {
        try await RegistryFixture.with { fixture in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<4 {
                    group.addTask {
                        for round in 0..<5 { _ = try await fixture.create(Identifier("\(task)-\(round)")) }
                    }
                }
                try await group.waitForAll()
            }
            let lines = try await fixture.definitionLog()
            #expect(lines.count == 20)
            let workspace = fixture.workspace
            let agreeing = try await fixture.value(
                """
                SELECT count(*) FROM definition_change c JOIN segment s ON s.workspace_id = c.workspace_id
                    AND s.version = c.version AND c.segment_ids = ARRAY[s.segment_id]
                WHERE c.workspace_id = \(workspace)
                """)
            #expect(agreeing == 20)
        }
    }

    @Test func theNewestChangesAreKept() async throws {
        try await RegistryFixture.with { fixture in
            for id in ["a", "b", "c", "d"] as [Identifier] { _ = try await fixture.create(id) }
            #expect(try await fixture.store.maintenance.run(Retention()).definitionChangesPruned == 0)
            try await fixture.database.run(
                """
                UPDATE set_head SET version = 1002 WHERE set_number = 4;
                UPDATE definition_change SET version = 1002 WHERE version = 4;
                """)
            #expect(try await fixture.store.maintenance.run(Retention()).definitionChangesPruned == 2)
            #expect(try await fixture.definitionLog() == ["3 c", "1002 d"])
            let log = "workspace \(fixture.workspace.rawValue), the log of definitions"
            #expect(
                try await fixture.store.maintenance.verify(deadline: .soon).problems == [
                    "\(log), version 1002: the one before it is 3"
                ])
            try await fixture.database.run("DELETE FROM definition_change WHERE version = 1002")
            #expect(
                try await fixture.store.maintenance.verify(deadline: .soon).problems == [
                    "\(log), version 1002: the log ends at 3"
                ])
        }
    }
}

extension RegistryFixture {
    fileprivate var segments: SegmentStore { store.in(workspace).segments }

    /// The version of a segment that is made; nil if there is one of this id.
    fileprivate func create(_ id: Identifier, _ filter: Filter = .everyone) async throws -> Int64? {
        try await segments.create(id, name: id.text, filter: filter, request: key(CreateSegment.method, nil))?.version
    }

    /// The version of each change with its segments, after a check that tags chain.
    fileprivate func definitionLog() async throws -> [String] {
        let workspace = workspace
        let rows = try await store.in(workspace).read(
            """
            SELECT version, array_to_string(segment_ids, ' '), previous_tag FROM definition_change
            WHERE workspace_id = \(workspace) ORDER BY version
            """
        ) { row in
            (
                version: try row.value(0, as: Int64.self), segments: try row.value(1, as: String.self),
                previousTag: try row.value(2, as: Int64.self)
            )
        }
        #expect(Set(rows.map(\.previousTag)).count == rows.count)
        #expect(rows.allSatisfy { ($0.previousTag == 0) == ($0.version == 1) })
        return rows.map { "\($0.version) \($0.segments)" }
    }
}
