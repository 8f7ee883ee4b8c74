import MusterClient
import MusterHandlers
import MusterProtocol
import MusterSets
import MusterStore
import MusterTestSupport
import Postgres
import Testing

/// The rows of a cohort: every change, with which any answer can be checked.
struct RecordedHistory: Sendable {
    struct Change: Sendable {
        var version: Int64
        var added: Set<UInt32>
        var removed: Set<UInt32>
    }

    let version: Int64
    let size: Int64
    let changes: [Change]
    /// The set at each version; the first is the empty set.
    let states: [Set<UInt32>]

    init(version: Int64, size: Int64, changes: [Change]) {
        self.version = version
        self.size = size
        self.changes = changes
        states = changes.reduce(into: [[]]) { states, change in
            states.append((states[states.count - 1]).subtracting(change.removed).union(change.added))
        }
    }

    /// Checks that versions have no gaps, that changes are effective, and that the head matches.
    func expectSound(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(changes.map(\.version) == Array(1..<version + 1), "versions have gaps", sourceLocation: sourceLocation)
        #expect(states.last.map { Int64($0.count) } == size, sourceLocation: sourceLocation)
        for (before, change) in zip(states, changes) {
            #expect(change.added.isDisjoint(with: before), sourceLocation: sourceLocation)
            #expect(change.removed.isSubset(of: before), sourceLocation: sourceLocation)
        }
    }
}

extension TestDatabase {
    /// The history of a cohort of partner `tinyclues`.
    func history(of cohortID: Identifier, in workspace: WorkspaceID) async throws -> RecordedHistory {
        try await asOwner { connection in
            let head = try connection.first(
                """
                SELECT h.set_number, h.version, h.size FROM cohort c
                JOIN set_head h ON h.workspace_id = \(workspace) AND h.set_number = c.set_number
                WHERE c.workspace_id = \(workspace) AND c.partner = 'tinyclues' AND c.cohort_id = \(cohortID)
                """
            ) { row in
                (
                    set: try row.value(0, as: Int32.self), version: try row.value(1, as: Int64.self),
                    size: try row.value(2, as: Int64.self)
                )
            }
            let (set, version, size) = try #require(head)
            let changes = try connection.query(
                """
                SELECT version, added, removed FROM set_change
                WHERE workspace_id = \(workspace) AND set_number = \(set) ORDER BY version
                """
            ) { row in
                RecordedHistory.Change(
                    version: try row.value(0), added: try row.decodedMembers(1), removed: try row.decodedMembers(2))
            }
            return RecordedHistory(version: version, size: size, changes: changes)
        }
    }
}

extension Row {
    fileprivate borrowing func decodedMembers(_ column: Int) throws -> Set<UInt32> {
        try withBytes(column) { bytes in try bytes.map { Set(try StoredSet.decode($0)) } ?? [] }
    }
}

/// Imports in the cohort's receipts, by request id.
func receipts(of cohortID: Identifier, through client: MusterClient) async throws -> [Identifier: ImportInfo] {
    var found: [Identifier: ImportInfo] = [:]
    for try await info in client.entries(of: ListImports(partner: "tinyclues", cohortID: cohortID)) {
        guard let id = info.requestID else { continue }
        #expect(found.updateValue(info, forKey: id) == nil, "one request id was applied twice")
    }
    return found
}
