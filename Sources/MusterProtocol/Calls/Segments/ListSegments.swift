/// The segments of the workspace.
public struct ListSegments: PagedCall {
    public static let method = "segments.list"
    public static let summary = "Lists segments by id or by age, with their filters."
    public static let notes = """
        - `segments`: each with its filter; `segments.get` also shows the segments that use it.
        - `name_contains`: only segments whose name contains this text, regardless of case: letters match if one is the other's upper or lower case in Unicode (É and é; I, i, İ and ı), and one letter never matches two (ß is not SS). The locale of the database makes no difference.
        - `order`: `segment_id` (the default), `oldest_first` or `newest_first`. `skip`: omits this many at the beginning; prefer page tokens.
        - `page_size`, `page_token`, `next_page_token`: see paging.
        """
    public static let example = (
        call: Self(),
        reply: Reply(segments: [
            SegmentInfo(
                segmentID: "fr-win-back", name: "France, win back", filter: CreateSegment.example.call.filter,
                version: 1,
                createdAt: Instant(microseconds: 1_763_900_000_000_000),
                updatedAt: Instant(microseconds: 1_763_900_000_000_000))
        ])
    )
    public var nameContains: String?
    public var order: SegmentOrder?
    public var skip: Int?
    public var pageSize: Int?
    public var pageToken: String?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case nameContains = "name_contains"
        case order, skip
        case pageSize = "page_size"
        case pageToken = "page_token"
    }

    public init(
        nameContains: String? = nil, order: SegmentOrder? = nil, skip: Int? = nil, pageSize: Int? = nil,
        pageToken: String? = nil
    ) {
        self.nameContains = nameContains
        self.order = order
        self.skip = skip
        self.pageSize = pageSize
        self.pageToken = pageToken
    }

    public struct Reply: Codable, Sendable, Equatable, Page {
        public var segments: [SegmentInfo]
        public var nextPageToken: String?
        public var entries: [SegmentInfo] { segments }

        enum CodingKeys: String, CodingKey {
            case segments
            case nextPageToken = "next_page_token"
        }

        public init(segments: [SegmentInfo], nextPageToken: String? = nil) {
            self.segments = segments
            self.nextPageToken = nextPageToken
        }
    }
}

/// The order of a listing of segments.
public enum SegmentOrder: String, Codable, Sendable, CaseIterable {
    case segmentID = "segment_id"
    case oldestFirst = "oldest_first"
    case newestFirst = "newest_first"

    public init(from decoder: any Decoder) throws { self = try .oneOf(decoder) }
}
