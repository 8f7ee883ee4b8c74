/// The partners of the workspace.
public struct ListPartners: PagedCall {
    public static let method = "partners.list"
    public static let summary = "Lists the partners of the workspace by name."
    public static let notes = """
        - `partners`: each with its name, its display name and whether it is enabled.
        - `requires_partner_api_key`: whether REST requests of that partner must carry a `partner_api_key`.
        - `page_size`, `page_token`, `next_page_token`: see paging.
        """
    public static let example = (
        call: Self(),
        reply: Reply(partners: [
            .init(partner: "tinyclues", displayName: "Tinyclues", enabled: true, requiresPartnerAPIKey: false)
        ])
    )
    public var pageSize: Int?
    public var pageToken: String?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case pageSize = "page_size"
        case pageToken = "page_token"
    }

    public init(pageSize: Int? = nil, pageToken: String? = nil) {
        self.pageSize = pageSize
        self.pageToken = pageToken
    }

    public struct Reply: Codable, Sendable, Equatable, Page {
        public var partners: [PartnerInfo]
        public var nextPageToken: String?
        public var entries: [PartnerInfo] { partners }

        enum CodingKeys: String, CodingKey {
            case partners
            case nextPageToken = "next_page_token"
        }

        public init(partners: [PartnerInfo], nextPageToken: String? = nil) {
            self.partners = partners
            self.nextPageToken = nextPageToken
        }
    }
}
