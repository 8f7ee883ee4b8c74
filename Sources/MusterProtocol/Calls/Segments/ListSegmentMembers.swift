/// Lists the members of a segment.
public struct ListSegmentMembers: PagedCall {
    public static let method = "segments.members"
    public static let summary = "Lists the users of a saved segment or of any filter, in pages that all show one state."
    public static let notes = """
        - `segment_id` or `filter`: exactly one, the same for every page.
        - `members`: each is shown by its external id, else one alias, else one device id, else its braze id; `all_identifiers` shows all of them.
        - `size`: the number of users in that state. `with_versions`: also the `versions` that were read. `at`: the `versions` of an earlier reply, to list that state. \(Versions.refusals)
        - `sample`: only so many users, drawn at random, each as likely as any other; all users if there are no more. The reply has no pages, so `page_size` and `page_token` are refused, and it is `RESOURCE_EXHAUSTED` where they don't fit into a frame. `seed`: any whole number; by default the server draws one, and the reply has it. The same seed and state give the same users on any server, without those erased since: pass `seed` and `at`.
        - Pages stay valid across connections and restarts. They show the state of the first page without users erased since; merged users appear as the kept user. After a change of the filter, further pages are refused (`FAILED_PRECONDITION`), as are pages of a stored listing after an hour (`OUT_OF_RANGE`): start again.
        - `page_size`, `page_token`, `next_page_token`: see paging.
        """
    public static let example = (
        call: Self(segmentID: "fr-win-back", pageSize: 2),
        reply: Reply(members: [Member(externalID: "u-1"), Member(externalID: "u-3")], size: 3, nextPageToken: "Y2Mx…")
    )
    public var segmentID: Identifier?
    public var filter: Filter?
    public var allIdentifiers: Bool?
    public var withVersions: Bool?
    public var at: Versions?
    public var sample: Int?
    public var seed: Int64?
    public var pageSize: Int?
    public var pageToken: String?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case segmentID = "segment_id"
        case filter
        case allIdentifiers = "all_identifiers"
        case withVersions = "with_versions"
        case at, sample, seed
        case pageSize = "page_size"
        case pageToken = "page_token"
    }

    public init(
        segmentID: Identifier? = nil, filter: Filter? = nil, allIdentifiers: Bool? = nil, withVersions: Bool? = nil,
        at: Versions? = nil, sample: Int? = nil, seed: Int64? = nil, pageSize: Int? = nil, pageToken: String? = nil
    ) {
        self.segmentID = segmentID
        self.filter = filter
        self.allIdentifiers = allIdentifiers
        self.withVersions = withVersions
        self.at = at
        self.sample = sample
        self.seed = seed
        self.pageSize = pageSize
        self.pageToken = pageToken
    }

    public struct Reply: Codable, Sendable, Equatable, Page {
        public var members: [Member]
        public var size: Int
        public var seed: Int64?
        public var versions: Versions?
        public var nextPageToken: String?
        public var entries: [Member] { members }

        enum CodingKeys: String, CodingKey {
            case members, size, seed, versions
            case nextPageToken = "next_page_token"
        }

        public init(
            members: [Member], size: Int, seed: Int64? = nil, versions: Versions? = nil, nextPageToken: String? = nil
        ) {
            self.members = members
            self.size = size
            self.seed = seed
            self.versions = versions
            self.nextPageToken = nextPageToken
        }
    }
}
