/// One segment.
public struct GetSegment: ReadingCall {
    public static let method = "segments.get"
    public static let summary = "Shows a segment: its name, filter, version, and the segments that use it."
    public static let notes = """
        - `segment_id`: which segment. An unknown one is `NOT_FOUND`.
        - `name`, `filter`, and the filter's `version`; see `segments.update`. `created_at`, `updated_at`: when it was created and last changed.
        - `used_by`: the ids of the segments whose filters name this one.
        """
    public static let example = (
        call: Self(segmentID: "fr-win-back"),
        reply: SegmentInfo(
            segmentID: "fr-win-back", name: "France, win back", filter: CreateSegment.example.call.filter, version: 1,
            createdAt: Instant(microseconds: 1_763_900_000_000_000),
            updatedAt: Instant(microseconds: 1_763_900_000_000_000), usedBy: [])
    )
    public var segmentID: Identifier

    enum CodingKeys: String, CodingKey, CaseIterable {
        case segmentID = "segment_id"
    }

    public init(segmentID: Identifier) {
        self.segmentID = segmentID
    }

    public typealias Reply = SegmentInfo
}

/// A segment as it is shown.
public struct SegmentInfo: Codable, Sendable, Equatable {
    public var segmentID: Identifier
    public var name: String
    public var filter: Filter
    public var version: Int64
    public var createdAt: Instant
    public var updatedAt: Instant
    public var usedBy: [Identifier]?

    enum CodingKeys: String, CodingKey {
        case segmentID = "segment_id"
        case name, filter, version
        case createdAt = "created_at"
        case updatedAt = "updated_at"
        case usedBy = "used_by"
    }

    public init(
        segmentID: Identifier, name: String, filter: Filter, version: Int64, createdAt: Instant, updatedAt: Instant,
        usedBy: [Identifier]? = nil
    ) {
        self.segmentID = segmentID
        self.name = name
        self.filter = filter
        self.version = version
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.usedBy = usedBy
    }
}
