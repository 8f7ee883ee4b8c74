/// Compares two versions of a cohort.
public struct DiffCohort: PagedCall {
    public static let method = "cohorts.diff"
    public static let summary = "Lists the users who entered and left a cohort between two versions."
    public static let notes = """
        - `partner`, `cohort_id`: which cohort.
        - `from_version`: 0 is the empty cohort. `at_version`: the later version, by default the current one; not before `from_version`.
        - `entered`: members at the later version but not at the earlier one; `left`: members at the earlier version but not at the later one. A page has entries of both kinds, `entered` first.
        - Users erased since are omitted; merged users appear as the kept user. A version that is not stored: `OUT_OF_RANGE`.
        - `page_size`, `page_token`, `next_page_token`: see paging.
        """
    public static let example = (
        call: Self(partner: "tinyclues", cohortID: "win-back", fromVersion: 0, atVersion: 1),
        reply: Reply(entered: [Member(externalID: "u-1")], left: [], fromVersion: 0, atVersion: 1)
    )
    public var partner: String
    public var cohortID: Identifier
    public var fromVersion: Int64
    public var atVersion: Int64?
    public var pageSize: Int?
    public var pageToken: String?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case partner
        case cohortID = "cohort_id"
        case fromVersion = "from_version"
        case atVersion = "at_version"
        case pageSize = "page_size"
        case pageToken = "page_token"
    }

    public init(
        partner: String, cohortID: Identifier, fromVersion: Int64, atVersion: Int64? = nil, pageSize: Int? = nil,
        pageToken: String? = nil
    ) {
        self.partner = partner
        self.cohortID = cohortID
        self.fromVersion = fromVersion
        self.atVersion = atVersion
        self.pageSize = pageSize
        self.pageToken = pageToken
    }

    public struct Reply: Codable, Sendable, Equatable, Page {
        public var entered: [Member]
        public var left: [Member]
        public var fromVersion: Int64
        public var atVersion: Int64
        public var nextPageToken: String?
        /// The entries of both lists.
        public var entries: [CohortDifference] { entered.map { .entered($0) } + left.map { .left($0) } }

        enum CodingKeys: String, CodingKey {
            case entered, left
            case fromVersion = "from_version"
            case atVersion = "at_version"
            case nextPageToken = "next_page_token"
        }

        public init(
            entered: [Member], left: [Member], fromVersion: Int64, atVersion: Int64, nextPageToken: String? = nil
        ) {
            self.entered = entered
            self.left = left
            self.fromVersion = fromVersion
            self.atVersion = atVersion
            self.nextPageToken = nextPageToken
        }
    }
}

/// One entry of a difference of two versions of a cohort.
public enum CohortDifference: Sendable, Equatable {
    case entered(Member)
    case left(Member)
}
