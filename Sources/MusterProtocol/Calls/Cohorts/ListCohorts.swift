/// The cohorts of the workspace.
public struct ListCohorts: PagedCall {
    public static let method = "cohorts.list"
    public static let summary = "Lists cohorts by partner and id, or those with a text in their names."
    public static let notes = """
        - `cohorts`: each as `cohorts.get` shows it, by partner and id.
        - `partner`: only that partner's cohorts. `name_contains`: only cohorts whose name contains this text, regardless of case: letters match if one is the other's upper or lower case in Unicode (É and é; I, i, İ and ı), and one letter never matches two (ß is not SS). The locale of the database makes no difference.
        - `page_size`, `page_token`, `next_page_token`: see paging.
        """
    public static let example = (
        call: Self(partner: "tinyclues", nameContains: "spring"),
        reply: Reply(cohorts: [GetCohort.example.reply])
    )
    public var partner: String?
    public var nameContains: String?
    public var pageSize: Int?
    public var pageToken: String?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case partner
        case nameContains = "name_contains"
        case pageSize = "page_size"
        case pageToken = "page_token"
    }

    public init(partner: String? = nil, nameContains: String? = nil, pageSize: Int? = nil, pageToken: String? = nil) {
        self.partner = partner
        self.nameContains = nameContains
        self.pageSize = pageSize
        self.pageToken = pageToken
    }

    public struct Reply: Codable, Sendable, Equatable, Page {
        public var cohorts: [CohortInfo]
        public var nextPageToken: String?
        public var entries: [CohortInfo] { cohorts }

        enum CodingKeys: String, CodingKey {
            case cohorts
            case nextPageToken = "next_page_token"
        }

        public init(cohorts: [CohortInfo], nextPageToken: String? = nil) {
            self.cohorts = cohorts
            self.nextPageToken = nextPageToken
        }
    }
}
