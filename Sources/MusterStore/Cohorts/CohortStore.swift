public import MusterProtocol
import Postgres

/// The result of creating or renaming a cohort.
public enum CohortNaming: Sendable {
    case done(CreateCohort.Reply)
    case unknownPartner
}

/// Rolls a transaction back: after its look-up and before its insert, another one created the cohort or recorded the
/// import.
struct MadeMeanwhile: Error {}

/// The cohorts of a workspace.
public struct CohortStore: ScopedStore {
    let store: Store
    let scope: WorkspaceScope

    /// Creates a cohort, or renames it. The first creation time stays.
    public func create(_ cohort: CohortReference, name: String, createdAt: Instant?) async throws -> CohortNaming {
        while true {
            do {
                return try await transaction { transaction in
                    try transaction.nameCohort(cohort, name: name, createdAt: createdAt)
                }
            } catch is MadeMeanwhile {
                continue  // now it can be renamed
            }
        }
    }

    /// One cohort; nil if it does not exist.
    public func get(_ cohort: CohortReference) async throws -> CohortInfo? {
        try await read(
            """
            SELECT c.partner, c.cohort_id, c.name, h.version, h.size, c.created_at, coalesce(i.imported_at, c.forgotten_import_at)
            FROM cohort c JOIN set_head h ON h.workspace_id = \(workspace) AND h.set_number = c.set_number
            LEFT JOIN LATERAL (
                SELECT imported_at FROM cohort_import WHERE workspace_id = \(workspace) AND set_number = c.set_number
                ORDER BY version DESC LIMIT 1
            ) i ON true
            WHERE c.workspace_id = \(workspace) AND c.partner = \(cohort.partner) AND c.cohort_id = \(cohort.cohortID)
            """
        ) { row in try CohortInfo(row) }.first
    }

    /// Cohorts by partner and id, after `after`; optionally of one partner, or with a text in the name.
    public func list(
        of partner: String?, nameContains: String?, after: CohortReference?, limit: Int
    ) async throws -> [CohortInfo] {
        let pattern = nameContains.map { NamePattern($0).text }
        return try await read(
            """
            SELECT c.partner, c.cohort_id, c.name, h.version, h.size, c.created_at, coalesce(i.imported_at, c.forgotten_import_at)
            FROM cohort c JOIN set_head h ON h.workspace_id = \(workspace) AND h.set_number = c.set_number
            LEFT JOIN LATERAL (
                SELECT imported_at FROM cohort_import WHERE workspace_id = \(workspace) AND set_number = c.set_number
                ORDER BY version DESC LIMIT 1
            ) i ON true
            WHERE c.workspace_id = \(workspace)
                AND (c.partner, c.cohort_id) > (\(after?.partner ?? ""), \(after?.cohortID ?? Identifier("")))
                AND (\(partner) IS NULL OR c.partner = \(partner))
                AND (\(pattern) IS NULL OR c.name COLLATE "C" ~ \(pattern))
            ORDER BY c.partner, c.cohort_id LIMIT \(Int64(limit))
            """
        ) { row in try CohortInfo(row) }
    }

    /// Deletes a cohort, its members and their history. Recorded request ids stay, so that a late repeat does nothing.
    public func delete(_ cohort: CohortReference) async throws -> Deletion {
        try await transaction { transaction in
            try transaction.lockDefinitions()
            let users = try transaction.query(
                """
                SELECT segment_id FROM segment_cohort WHERE workspace_id = \(workspace)
                    AND partner = \(cohort.partner) AND cohort_id = \(cohort.cohortID) ORDER BY segment_id
                """
            ) { row in try row.value(0, as: Identifier.self) }
            guard users.isEmpty else { return .used(by: users) }
            // Merges and erasures rewrite all sets and must not meet a set that is being deleted.
            try transaction.shareIdentity()
            guard let head = try transaction.lockHead(of: cohort) else { return .unknown }
            try transaction.execute(
                "DELETE FROM cohort WHERE workspace_id = \(workspace) AND set_number = \(head.set.number)")
            try transaction.execute(
                "DELETE FROM set_head WHERE workspace_id = \(workspace) AND set_number = \(head.set.number)")
            // Maintenance deletes the receipts; without this row it would have to search those of all cohorts.
            try transaction.execute(
                """
                INSERT INTO ended_set (workspace_id, set_number, ended_at)
                VALUES (\(workspace), \(head.set.number), \(Instant.now))
                """)
            return .deleted
        }
    }
}

extension WorkspaceStore {
    /// The cohorts of the workspace.
    public var cohorts: CohortStore { CohortStore(store: store, scope: scope) }
}

extension WorkspaceTransaction {
    fileprivate borrowing func nameCohort(
        _ cohort: CohortReference, name: String, createdAt: Instant?
    ) throws -> CohortNaming {
        let there = try first(
            """
            SELECT c.name, h.version, h.size FROM cohort c
            JOIN set_head h ON h.workspace_id = \(workspace) AND h.set_number = c.set_number
            WHERE c.workspace_id = \(workspace) AND c.partner = \(cohort.partner) AND c.cohort_id = \(cohort.cohortID)
            FOR UPDATE OF c
            """
        ) { row in
            (
                name: try row.value(0, as: String.self), version: try row.value(1, as: Int64.self),
                size: Int(try row.value(2, as: Int64.self))
            )
        }
        guard let there else {
            let known = try first(
                "SELECT 1 FROM partner WHERE workspace_id = \(workspace) AND partner = \(cohort.partner)"
            ) { row in try row.value(0, as: Int32.self) }
            guard known != nil else { return .unknownPartner }
            _ = try makeCohort(cohort, name: name, createdAt: createdAt ?? .now)
            return .done(.init(outcome: .created, version: 0, size: 0))
        }
        // Compares bytes: a new name may differ only in its Unicode composition.
        guard !there.name.utf8.elementsEqual(name.utf8) else {
            return .done(.init(outcome: .unchanged, version: there.version, size: there.size))
        }
        try execute(
            """
            UPDATE cohort SET name = \(name) WHERE workspace_id = \(workspace) AND partner = \(cohort.partner)
                AND cohort_id = \(cohort.cohortID)
            """)
        return .done(.init(outcome: .renamed, version: there.version, size: there.size))
    }

    /// Locks the head of a cohort's set; nil if the cohort does not exist (any more).
    borrowing func lockHead(of cohort: CohortReference) throws -> LockedHead? {
        try first(
            """
            SELECT h.set_number, h.version, h.tag FROM cohort c
            JOIN set_head h ON h.workspace_id = \(workspace) AND h.set_number = c.set_number
            WHERE c.workspace_id = \(workspace) AND c.partner = \(cohort.partner) AND c.cohort_id = \(cohort.cohortID)
            FOR NO KEY UPDATE OF h
            """
        ) { row in
            LockedHead(
                set: SetKey(workspace: workspace, number: try row.value(0)),
                at: SetVersion(version: try row.value(1), tag: try row.value(2)), nextUserNumber: nil)
        }
    }

    /// Locks the head of a cohort's set; creates the cohort if it does not exist, with its id as its name.
    borrowing func lockOrMakeHead(of cohort: CohortReference) throws -> LockedHead {
        if let head = try lockHead(of: cohort) { return head }
        let number = try makeCohort(cohort, name: cohort.cohortID.text, createdAt: .now)
        return LockedHead(set: SetKey(workspace: workspace, number: number), at: .none, nextUserNumber: nil)
    }

    private borrowing func makeCohort(_ cohort: CohortReference, name: String, createdAt: Instant) throws -> Int32 {
        let number = try first(
            "INSERT INTO set_head (workspace_id, kind) VALUES (\(workspace), 'cohort') RETURNING set_number"
        ) { row in try row.value(0, as: Int32.self) }
        guard let number else { throw PostgresError(.decoding, "a new set has no number") }
        let made = try first(
            """
            INSERT INTO cohort (workspace_id, partner, cohort_id, set_number, name, created_at)
            VALUES (\(workspace), \(cohort.partner), \(cohort.cohortID), \(number), \(name), \(createdAt))
            ON CONFLICT (workspace_id, partner, cohort_id) DO NOTHING RETURNING 1
            """
        ) { row in try row.value(0, as: Int32.self) }
        guard made != nil else { throw MadeMeanwhile() }
        return number
    }
}

extension CohortInfo {
    /// From `partner, cohort_id, name, version, size, created_at, imported_at`.
    fileprivate init(_ row: borrowing Row) throws {
        self.init(
            partner: try row.value(0), cohortID: try row.value(1), name: try row.value(2), version: try row.value(3),
            size: Int(try row.value(4, as: Int64.self)), createdAt: try row.value(5), lastImportAt: try row.value(6))
    }
}
