/// Compares two segments, or one at two times.
public struct DiffSegments: PagedCall {
    public static let method = "segments.diff"
    public static let summary =
        "Counts and lists the users who entered, left or stayed between two segments, filters or states of one."
    public static let notes = """
        - `from`, `to`: what to compare. Each has `segment_id` or `filter`, exactly one, and may have `at`: the `versions` of an earlier reply, for that state. \(Versions.refusals) Without any `at`, both show one state.
        - `entered`: the number of users in `to` but not in `from`; `left`: in `from` but not in `to`; `stayed`: in both. Users erased since are omitted; merged users count as the kept user.
        - `list`: which of them the pages list as `members`: `entered` (the default), `left` or `stayed`. Each is shown by its external id, else one alias, else one device id, else its braze id; `all_identifiers` shows all of them.
        - `with_versions`: also `from_versions` and `to_versions`, the versions that were read.
        - Pages show the state of the first page, with its counts, as those of `segments.members` do: without users erased since, refused after a change of a filter (`FAILED_PRECONDITION`), and after an hour where the list had to be stored (`OUT_OF_RANGE`).
        - `page_size`, `page_token`, `next_page_token`: see paging.
        """
    public static let example = (
        call: Self(from: .init(segmentID: "lapsed"), to: .init(segmentID: "fr-win-back"), pageSize: 2),
        reply: Reply(
            entered: 3, left: 1, stayed: 20, members: [Member(externalID: "u-1"), Member(externalID: "u-3")],
            nextPageToken: "Y2Mx…")
    )
    public var from: Audience
    public var to: Audience
    public var list: DifferenceList?
    public var allIdentifiers: Bool?
    public var withVersions: Bool?
    public var pageSize: Int?
    public var pageToken: String?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case from, to, list
        case allIdentifiers = "all_identifiers"
        case withVersions = "with_versions"
        case pageSize = "page_size"
        case pageToken = "page_token"
    }

    public init(
        from: Audience, to: Audience, list: DifferenceList? = nil, allIdentifiers: Bool? = nil,
        withVersions: Bool? = nil, pageSize: Int? = nil, pageToken: String? = nil
    ) {
        self.from = from
        self.to = to
        self.list = list
        self.allIdentifiers = allIdentifiers
        self.withVersions = withVersions
        self.pageSize = pageSize
        self.pageToken = pageToken
    }

    public struct Reply: Codable, Sendable, Equatable, Page {
        public var entered: Int
        public var left: Int
        public var stayed: Int
        public var members: [Member]
        public var fromVersions: Versions?
        public var toVersions: Versions?
        public var nextPageToken: String?
        public var entries: [Member] { members }

        enum CodingKeys: String, CodingKey {
            case entered, left, stayed, members
            case fromVersions = "from_versions"
            case toVersions = "to_versions"
            case nextPageToken = "next_page_token"
        }

        public init(
            entered: Int, left: Int, stayed: Int, members: [Member], fromVersions: Versions? = nil,
            toVersions: Versions? = nil, nextPageToken: String? = nil
        ) {
            self.entered = entered
            self.left = left
            self.stayed = stayed
            self.members = members
            self.fromVersions = fromVersions
            self.toVersions = toVersions
            self.nextPageToken = nextPageToken
        }
    }
}

/// A saved segment or any filter, now or in an earlier state.
public struct Audience: Codable, Sendable, Equatable {
    public var segmentID: Identifier?
    public var filter: Filter?
    public var at: Versions?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case segmentID = "segment_id"
        case filter, at
    }

    public init(segmentID: Identifier? = nil, filter: Filter? = nil, at: Versions? = nil) {
        self.segmentID = segmentID
        self.filter = filter
        self.at = at
    }
}

/// Part of a difference between two sets of users.
public enum DifferenceList: String, Codable, Sendable, CaseIterable {
    case entered, left, stayed

    public init(from decoder: any Decoder) throws { self = try .oneOf(decoder) }
}
