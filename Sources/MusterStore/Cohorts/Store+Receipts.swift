public import MusterProtocol
import Postgres

/// Which of a cohort's imports are meant.
public enum ImportSelection: Sendable {
    /// Newest first, those before a version.
    case before(Int64?)
    case version(Int64)
    case requestID(Identifier)
}

extension Store {
    /// The imports of a cohort; nil where there is no such cohort. One that was asked for by version or id comes with its outcomes.
    public func imports(
        of cohort: CohortReference, _ selection: ImportSelection, limit: Int, in workspace: WorkspaceID,
        deadline: ContinuousClock.Instant
    ) async throws -> [ImportInfo]? {
        var (before, version, requestID): (Int64?, Int64?, Identifier?) = (nil, nil, nil)
        switch selection {
        case .before(let bound): before = bound
        case .version(let wanted): version = wanted
        case .requestID(let wanted): requestID = wanted
        }
        let whole = version != nil || requestID != nil
        let (wantedVersion, wantedID, bound) = (version, requestID, before)
        return try await transaction(in: workspace, deadline: deadline) { connection in
            let set = try connection.first(
                """
                SELECT set_number FROM cohort WHERE workspace_id = \(workspace) AND partner = \(cohort.partner)
                    AND cohort_id = \(cohort.cohortID)
                """
            ) { row in try row.value(0, as: Int32.self) }
            guard let set else { return nil }
            return try connection.query(
                """
                SELECT version, CASE WHEN from_caller THEN request_id END, key_id, imported_at, size, outcomes, shape
                FROM cohort_import
                WHERE workspace_id = \(workspace) AND set_number = \(set)
                    AND version < \(bound ?? Int64.max)
                    AND (\(wantedVersion) IS NULL OR version = \(wantedVersion))
                    AND (\(wantedID) IS NULL OR (from_caller AND request_id = \(wantedID)))
                ORDER BY version DESC LIMIT \(Int64(limit))
                """
            ) { row in try ImportInfo(row, withOutcomes: whole) }
        }
    }
}

extension ImportInfo {
    /// From `version, request_id, key_id, imported_at, size, outcomes, shape`.
    fileprivate init(_ row: borrowing Row, withOutcomes: Bool) throws {
        guard let outcomes = OutcomeCoding.decode(try row.value(5)),
            let shape = OutcomeCoding.decodeShape(try row.value(6))
        else {
            throw PostgresError(.decoding, "recorded outcomes are damaged")
        }
        self.init(
            version: try row.value(0), requestID: try row.value(1), keyID: try row.value(2),
            importedAt: try row.value(3),
            size: Int(try row.value(4, as: Int64.self)), receipt: Receipt(outcomes),
            outcomes: withOutcomes ? outcomes : nil, shape: withOutcomes ? shape : nil)
    }
}
