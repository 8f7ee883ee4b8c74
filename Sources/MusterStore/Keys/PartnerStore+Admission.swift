import Postgres

/// The facts that decide whether a partner is admitted.
public struct PartnerAdmission: Sendable {
    public let isEnabled: Bool
    /// SHA-256 of the partner's own key; nil if the operator set none.
    public let apiKeyDigest: [UInt8]?

    /// Creates an admission from an operator's settings.
    public init(isEnabled: Bool, apiKeyDigest: [UInt8]?) {
        (self.isEnabled, self.apiKeyDigest) = (isEnabled, apiKeyDigest)
    }
}

extension PartnerStore {
    /// Reads the admission of a partner from its row; nil if the partner does not exist.
    public func admission(of partner: String) async throws -> PartnerAdmission? {
        try await read(
            isUrgent: true,
            """
            SELECT enabled, partner_api_key_digest FROM partner
            WHERE workspace_id = \(workspace) AND partner = \(partner)
            """
        ) { row in PartnerAdmission(isEnabled: try row.value(0), apiKeyDigest: try row.value(1)) }.first
    }
}
