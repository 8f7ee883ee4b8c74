/// Changes a saved filter or its name.
public struct UpdateSegment: Call {
    public static let method = "segments.update"
    public static let summary = "Changes a segment's name, its filter, or both."
    public static let notes = """
        - `segment_id`: which segment. An unknown one is `NOT_FOUND`.
        - `name`, `filter`: absent keeps what is there. The same rules as in `segments.create`.
        - `version` rises where the filter changes, and not with the name. Pages of the old filter are refused from then on.
        """
    public static let example = (
        call: Self(segmentID: "fr-win-back", name: "France, win back (summer)"),
        reply: CreateSegment.Reply(segmentID: "fr-win-back", version: 1)
    )
    public var segmentID: Identifier
    public var name: String?
    public var filter: Filter?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case segmentID = "segment_id"
        case name, filter
    }

    public init(segmentID: Identifier, name: String? = nil, filter: Filter? = nil) {
        self.segmentID = segmentID
        self.name = name
        self.filter = filter
    }

    public typealias Reply = CreateSegment.Reply

    public var isSafeToRepeat: Bool { true }
}
