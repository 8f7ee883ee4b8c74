public import MusterProtocol
import Postgres

/// Changes to a partner; nil keeps the current value.
public struct PartnerChange: Sendable {
    /// SHA-256 of a new partner API key, or the removal of the current one.
    public enum APIKey: Sendable {
        case digest([UInt8])
        case none
    }

    public var displayName: String?
    public var enabled: Bool?
    public var apiKey: APIKey?

    /// Creates a set of changes.
    public init(displayName: String? = nil, enabled: Bool? = nil, apiKey: APIKey? = nil) {
        self.displayName = displayName
        self.enabled = enabled
        self.apiKey = apiKey
    }
}

/// A partner with the number of its cohorts and its last import.
public struct PartnerSummary: Sendable {
    public let partner: PartnerInfo
    public let cohorts: Int
    public let lastImportAt: Instant?
}

/// The partners of a workspace.
public struct PartnerStore: ScopedStore {
    let store: Store
    let scope: WorkspaceScope

    /// Creates or updates a partner, and returns its state. A new partner is enabled and displays under its name.
    public func set(_ partner: String, _ change: PartnerChange, at moment: Instant) async throws -> PartnerInfo {
        let digest: [UInt8]? = if case .digest(let digest)? = change.apiKey { digest } else { nil }
        let rows = try await transaction { transaction in
            try transaction.query(
                """
                INSERT INTO partner AS p (
                    workspace_id, partner, display_name, enabled, partner_api_key_digest, created_at)
                VALUES (
                    \(workspace), \(partner), coalesce(\(change.displayName), \(partner)), coalesce(\(change.enabled), true),
                    \(digest), \(moment))
                ON CONFLICT (workspace_id, partner) DO UPDATE SET
                    display_name = coalesce(\(change.displayName), p.display_name),
                    enabled = coalesce(\(change.enabled), p.enabled),
                    partner_api_key_digest =
                        CASE WHEN \(change.apiKey != nil) THEN \(digest) ELSE p.partner_api_key_digest END
                RETURNING partner, display_name, enabled, partner_api_key_digest IS NOT NULL
                """
            ) { row in try PartnerInfo(row) }
        }
        guard let partner = rows.first else { throw PostgresError(.decoding, "RETURNING gave no row") }
        return partner
    }

    /// The partners of the workspace by name: at most `limit`, after `after`.
    public func list(after: String? = nil, limit: Int) async throws -> [PartnerInfo] {
        try await read(
            """
            SELECT partner, display_name, enabled, partner_api_key_digest IS NOT NULL
            FROM partner WHERE workspace_id = \(workspace) AND (\(after) IS NULL OR partner > \(after))
            ORDER BY partner LIMIT \(limit)
            """
        ) { row in try PartnerInfo(row) }
    }

    /// A partner with the number of its cohorts and its last import; nil if it does not exist.
    public func get(_ partner: String) async throws -> PartnerSummary? {
        try await read(
            """
            SELECT partner, display_name, enabled, partner_api_key_digest IS NOT NULL,
                (SELECT count(*) FROM cohort
                    WHERE cohort.workspace_id = \(workspace) AND cohort.partner = \(partner)),
                (SELECT max(coalesce(latest.imported_at, cohort.forgotten_import_at)) FROM cohort LEFT JOIN LATERAL (
                    SELECT imported_at FROM cohort_import
                    WHERE cohort_import.workspace_id = \(workspace) AND cohort_import.set_number = cohort.set_number
                    ORDER BY version DESC LIMIT 1
                ) AS latest ON true
                WHERE cohort.workspace_id = \(workspace) AND cohort.partner = \(partner))
            FROM partner WHERE workspace_id = \(workspace) AND partner = \(partner)
            """
        ) { row in
            PartnerSummary(
                partner: try PartnerInfo(row), cohorts: try row.value(4), lastImportAt: try row.value(5))
        }.first
    }
}

extension WorkspaceStore {
    /// The partners of the workspace.
    public var partners: PartnerStore { PartnerStore(store: store, scope: scope) }
}

extension PartnerInfo {
    /// From the first four columns.
    init(_ row: borrowing Row) throws {
        self.init(
            partner: try row.value(0), displayName: try row.value(1), enabled: try row.value(2),
            requiresPartnerAPIKey: try row.value(3))
    }
}
