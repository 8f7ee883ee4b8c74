public import MusterProtocol
import MusterUsers
import Postgres

/// The imports of a cohort to return.
public enum ImportSelection: Sendable {
    /// Those before a version, newest first.
    case before(Int64?)
    case version(Int64)
    case requestID(Identifier)
}

/// The position of an import in the list of its partner's imports, ordered by time.
public struct ImportPosition: Codable, Sendable {
    var importedAt: Int64
    var setNumber: Int32
    var version: Int64
}

/// An import in the list of its partner; encoded as its `info`.
public struct PlacedImport: Encodable, Sendable {
    public let info: ImportInfo
    public let position: ImportPosition

    public func encode(to encoder: any Encoder) throws { try info.encode(to: encoder) }
}

extension CohortStore {
    /// The imports of a cohort; nil if the cohort does not exist. An import selected by version or id includes its
    /// outcomes.
    public func imports(
        of cohort: CohortReference, _ selection: ImportSelection, limit: Int
    ) async throws -> [ImportInfo]? {
        try await readTransaction { transaction in
            let set = try transaction.first(
                """
                SELECT set_number FROM cohort WHERE workspace_id = \(workspace) AND partner = \(cohort.partner)
                    AND cohort_id = \(cohort.cohortID)
                """
            ) { row in try row.value(0, as: Int32.self) }
            guard let set else { return nil }
            var query = ImportInfo.selecting(in: workspace)
            query += " AND i.set_number = \(set)"
            switch selection {
            case .before(let version): query += " AND i.version < \(version ?? Int64.max)"
            case .version(let version): query += " AND i.version = \(version)"
            case .requestID(let id): query += " AND i.from_caller AND i.request_id = \(id)"
            }
            query += " ORDER BY i.version DESC LIMIT \(Int64(limit))"
            return try transaction.query(query) { row in try ImportInfo(row, withOutcomes: selection.isOfOne) }
        }
    }

    /// The import with this request id of the partner, with its outcomes; nil if it does not exist or its cohort was
    /// deleted.
    public func importNamed(_ requestID: Identifier, of partner: String) async throws -> ImportInfo? {
        var query = ImportInfo.selecting(in: workspace)
        query += " AND i.partner = \(partner) AND i.from_caller AND i.request_id = \(requestID)"
        return try await read(query) { row in
            try ImportInfo(row, withOutcomes: true)
        }.first
    }

    /// The imports of a partner into all cohorts, newest first, after a position; nil if the partner does not exist.
    public func imports(
        of partner: String, after position: ImportPosition?, limit: Int
    ) async throws -> [PlacedImport]? {
        try await readTransaction { transaction in
            let known = try transaction.first(
                "SELECT 1 FROM partner WHERE workspace_id = \(workspace) AND partner = \(partner)"
            ) { row in try row.value(0, as: Int32.self) }
            guard known != nil else { return nil }
            let listing = ImportInfo.listing(of: partner, after: position, limit: limit, in: workspace)
            return try transaction.query(listing) { row in
                let info = try ImportInfo(row, withOutcomes: false)
                let position = ImportPosition(
                    importedAt: info.importedAt.microseconds, setNumber: try row.value(8), version: info.version)
                return PlacedImport(info: info, position: position)
            }
        }
    }
}

extension ImportSelection {
    /// Whether this selects a single import, which is returned with its outcomes.
    fileprivate var isOfOne: Bool { if case .before = self { false } else { true } }
}

extension ImportInfo {
    /// The beginning of a statement that finds imports of existing cohorts, for `init(_:withOutcomes:)`; its last
    /// column is the set's number.
    fileprivate static func selecting(in workspace: WorkspaceID) -> SQL {
        """
        SELECT c.cohort_id, i.version, CASE WHEN i.from_caller THEN i.request_id END, i.key_id, i.imported_at, i.size,
            i.outcomes, i.shape, i.set_number
        FROM cohort_import i
        JOIN cohort c ON c.workspace_id = \(workspace) AND c.set_number = i.set_number
        WHERE i.workspace_id = \(workspace)
        """
    }

    /// The imports of a partner, newest first, after a position.
    static func listing(
        of partner: String, after position: ImportPosition?, limit: Int, in workspace: WorkspaceID
    ) -> SQL {
        var query = selecting(in: workspace)
        // Every version is above 0; the statement that creates the index explains this condition.
        query += " AND i.partner = \(partner) AND i.version > 0"
        if let position {
            query += """
                 AND (i.imported_at, i.set_number, i.version)
                    < (\(Instant(microseconds: position.importedAt)), \(position.setNumber), \(position.version))
                """
        }
        query += " ORDER BY i.imported_at DESC, i.set_number DESC, i.version DESC LIMIT \(Int64(limit))"
        return query
    }

    /// From `cohort_id, version, request_id, key_id, imported_at, size, outcomes, shape`.
    fileprivate init(_ row: borrowing Row, withOutcomes: Bool) throws {
        guard let outcomes = OutcomeCoding.decode(try row.value(6)),
            let shape = OutcomeCoding.decodeShape(try row.value(7))
        else {
            throw PostgresError(.decoding, "recorded outcomes are damaged")
        }
        self.init(
            cohortID: try row.value(0), version: try row.value(1), requestID: try row.value(2),
            keyID: try row.value(3), importedAt: try row.value(4),
            size: Int(try row.value(5, as: Int64.self)), receipt: Receipt(outcomes),
            outcomes: withOutcomes ? outcomes : nil, shape: withOutcomes ? shape : nil)
    }
}
