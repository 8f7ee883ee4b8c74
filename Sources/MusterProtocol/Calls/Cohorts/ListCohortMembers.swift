/// Lists the members of a cohort.
public struct ListCohortMembers: PagedCall {
    public static let method = "cohorts.members"
    public static let summary =
        "Lists the members of a cohort, now or at an earlier version, in pages that all show one state."
    public static let notes = """
        - `partner`, `cohort_id`: which cohort.
        - `members`: each is shown by its external id, else one alias, else one device id, else its braze id; `all_identifiers` shows all of them.
        - `at_version`: shows the cohort at that version. Users erased since are omitted; merged users appear as the kept user. A version that is not stored: `OUT_OF_RANGE`.
        - All pages show the version of the first one, `version` in the reply; `size` is the number of members at that version.
        - `page_size`, `page_token`, `next_page_token`: see paging.
        """
    public static let example = (
        call: Self(partner: "tinyclues", cohortID: "win-back"),
        reply: Reply(members: [Member(externalID: "u-1")], version: 1, size: 1)
    )
    public var partner: String
    public var cohortID: Identifier
    public var atVersion: Int64?
    public var allIdentifiers: Bool?
    public var pageSize: Int?
    public var pageToken: String?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case partner
        case cohortID = "cohort_id"
        case atVersion = "at_version"
        case allIdentifiers = "all_identifiers"
        case pageSize = "page_size"
        case pageToken = "page_token"
    }

    public init(
        partner: String, cohortID: Identifier, atVersion: Int64? = nil, allIdentifiers: Bool? = nil,
        pageSize: Int? = nil, pageToken: String? = nil
    ) {
        self.partner = partner
        self.cohortID = cohortID
        self.atVersion = atVersion
        self.allIdentifiers = allIdentifiers
        self.pageSize = pageSize
        self.pageToken = pageToken
    }

    public struct Reply: Codable, Sendable, Equatable, Page {
        public var members: [Member]
        public var version: Int64
        public var size: Int
        public var nextPageToken: String?
        public var entries: [Member] { members }

        enum CodingKeys: String, CodingKey {
            case members, version, size
            case nextPageToken = "next_page_token"
        }

        public init(members: [Member], version: Int64, size: Int, nextPageToken: String? = nil) {
            self.members = members
            self.version = version
            self.size = size
            self.nextPageToken = nextPageToken
        }
    }
}
