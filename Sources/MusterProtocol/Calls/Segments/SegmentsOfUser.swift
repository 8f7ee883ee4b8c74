/// Lists the segments of a user.
public struct SegmentsOfUser: PagedCall {
    public static let method = "segments.of"
    public static let summary = "Lists the segments that a user is in."
    public static let notes = """
        - `user`: by exactly one identifier; see identifiers. An unknown user is `NOT_FOUND`.
        - `segments`: ordered by id; each page shows one state. `with_versions`: also the `versions` that were read.
        - `max_staleness_ms`: permits an answer from memory that is at most this old; absent or 0 is exact. See staleness.
        - `page_size`, `page_token`, `next_page_token`: see paging.
        """
    public static let example = (
        call: Self(user: .externalID("u-1")),
        reply: Reply(segments: [.init(segmentID: "fr-win-back", name: "France, win back")])
    )
    public var user: UserReference
    public var withVersions: Bool?
    public var maxStalenessMilliseconds: Int?
    public var pageSize: Int?
    public var pageToken: String?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case user
        case withVersions = "with_versions"
        case maxStalenessMilliseconds = "max_staleness_ms"
        case pageSize = "page_size"
        case pageToken = "page_token"
    }

    public init(
        user: UserReference, withVersions: Bool? = nil, maxStalenessMilliseconds: Int? = nil, pageSize: Int? = nil,
        pageToken: String? = nil
    ) {
        self.user = user
        self.withVersions = withVersions
        self.maxStalenessMilliseconds = maxStalenessMilliseconds
        self.pageSize = pageSize
        self.pageToken = pageToken
    }

    public struct Reply: Codable, Sendable, Equatable, Page {
        public var segments: [NamedSegment]
        public var versions: Versions?
        public var nextPageToken: String?
        public var entries: [NamedSegment] { segments }

        enum CodingKeys: String, CodingKey {
            case segments, versions
            case nextPageToken = "next_page_token"
        }

        public init(segments: [NamedSegment], versions: Versions? = nil, nextPageToken: String? = nil) {
            self.segments = segments
            self.versions = versions
            self.nextPageToken = nextPageToken
        }
    }
}

/// A segment by its id and name.
public struct NamedSegment: Codable, Sendable, Equatable {
    public var segmentID: Identifier
    public var name: String

    enum CodingKeys: String, CodingKey {
        case segmentID = "segment_id"
        case name
    }

    public init(segmentID: Identifier, name: String) {
        self.segmentID = segmentID
        self.name = name
    }
}
