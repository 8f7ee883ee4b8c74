/// Shows what an operator gives to a partner, and the partner's state.
public struct GetPartner: ReadingCall {
    public static let method = "partners.get"
    public static let summary =
        "Shows a partner: the REST endpoint to hand out, its keys by id, its cohorts and its last import."
    public static let notes = """
        - `partner`: its name; in the reply, the partner as in `partners.list`.
        - `rest_url`: the endpoint for the partner's tool; absent if the server has no public REST URL.
        - `keys`: its live data import keys, the newest \(Limits.partnerKeysShown.value) where there are more; `keys.list` has all. `cohorts`: the number of cohorts. `last_import_at`: the time of the last import, if any.
        - An unknown partner is `NOT_FOUND`.
        """
    public static let example = (
        call: Self(partner: "tinyclues"),
        reply: Reply(
            partner: .init(partner: "tinyclues", displayName: "Tinyclues", enabled: true, requiresPartnerAPIKey: false),
            restURL: "https://audiences.example.com/partners/tinyclues/cohorts",
            keys: [
                .init(
                    keyID: "k_3f9a1c07be42", kind: .import, partner: "tinyclues", name: "Tinyclues production",
                    scopes: [], createdAt: Instant(microseconds: 1_763_900_000_000_000))
            ],
            cohorts: 3, lastImportAt: Instant(microseconds: 1_763_900_000_000_000))
    )
    public var partner: String

    enum CodingKeys: String, CodingKey, CaseIterable { case partner }

    public init(partner: String) {
        self.partner = partner
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var partner: PartnerInfo
        public var restURL: String?
        public var keys: [KeyInfo]
        public var cohorts: Int
        public var lastImportAt: Instant?

        enum CodingKeys: String, CodingKey {
            case partner
            case restURL = "rest_url"
            case keys, cohorts
            case lastImportAt = "last_import_at"
        }

        public init(
            partner: PartnerInfo, restURL: String? = nil, keys: [KeyInfo], cohorts: Int, lastImportAt: Instant? = nil
        ) {
            self.partner = partner
            self.restURL = restURL
            self.keys = keys
            self.cohorts = cohorts
            self.lastImportAt = lastImportAt
        }
    }
}
