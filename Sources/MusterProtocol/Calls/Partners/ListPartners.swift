/// The partners of the workspace.
public struct ListPartners: ReadingCall {
    public static let method = "partners.list"
    public static let summary = "Lists the partners of the workspace by name."
    public static let notes = """
        - `partners`: each with its name, its display name and whether it is enabled.
        - `requires_partner_api_key`: whether REST requests of that partner must carry a `partner_api_key`.
        """
    public static let example = (
        call: Self(),
        reply: Reply(partners: [
            .init(partner: "tinyclues", displayName: "Tinyclues", enabled: true, requiresPartnerAPIKey: false)
        ])
    )

    public init() {}

    public struct Reply: Codable, Sendable, Equatable {
        public var partners: [PartnerInfo]

        public init(partners: [PartnerInfo]) {
            self.partners = partners
        }
    }
}
