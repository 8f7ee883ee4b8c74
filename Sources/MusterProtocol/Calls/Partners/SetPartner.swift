/// Creates or changes a partner.
public struct SetPartner: Call {
    public static let method = "partners.set"
    public static let summary =
        "Creates a partner, or changes its display name, whether it is enabled, or its partner API key."
    public static let notes = """
        - `partner`: the path component of the partner's REST route, `[a-z0-9_-]{1,64}`.
        - `display_name`, `enabled`, `partner_api_key`: an absent field keeps its value. A new partner is enabled and displayed by its name.
        - `partner_api_key`: if set, REST requests of this partner must contain it; stored as a hash. 16 to 512 bytes, without surrounding white space or control characters; an empty string removes it. `requires_partner_api_key` in the reply tells whether one is set.
        - Imports of a disabled partner are refused.
        """
    public static let example = (
        call: Self(partner: "tinyclues", displayName: "Tinyclues"),
        reply: Reply(partner: "tinyclues", displayName: "Tinyclues", enabled: true, requiresPartnerAPIKey: false)
    )
    public var partner: String
    public var displayName: String?
    public var enabled: Bool?
    public var partnerAPIKey: String?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case partner
        case displayName = "display_name"
        case enabled
        case partnerAPIKey = "partner_api_key"
    }

    public init(partner: String, displayName: String? = nil, enabled: Bool? = nil, partnerAPIKey: String? = nil) {
        self.partner = partner
        self.displayName = displayName
        self.enabled = enabled
        self.partnerAPIKey = partnerAPIKey
    }

    public typealias Reply = PartnerInfo

    public var isSafeToRepeat: Bool { true }
}

/// A partner as it is shown.
public struct PartnerInfo: Codable, Sendable, Equatable {
    public var partner: String
    public var displayName: String
    public var enabled: Bool
    public var requiresPartnerAPIKey: Bool

    enum CodingKeys: String, CodingKey {
        case partner
        case displayName = "display_name"
        case enabled
        case requiresPartnerAPIKey = "requires_partner_api_key"
    }

    public init(partner: String, displayName: String, enabled: Bool, requiresPartnerAPIKey: Bool) {
        self.partner = partner
        self.displayName = displayName
        self.enabled = enabled
        self.requiresPartnerAPIKey = requiresPartnerAPIKey
    }
}
