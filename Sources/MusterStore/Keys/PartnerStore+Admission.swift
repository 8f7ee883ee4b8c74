import Postgres

/// What decides whether a partner may come in.
public struct PartnerAdmission: Sendable {
    public let isEnabled: Bool
    /// SHA-256 of the partner's own key; nil where the operator set none.
    public let apiKeyDigest: [UInt8]?

    /// What an operator decided.
    public init(isEnabled: Bool, apiKeyDigest: [UInt8]?) {
        (self.isEnabled, self.apiKeyDigest) = (isEnabled, apiKeyDigest)
    }
}

extension PartnerStore {
    /// What decides about a partner, by one look at its row; nil where there is none.
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
