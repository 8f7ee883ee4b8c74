/// Changes a saved filter or its name.
public struct UpdateSegment: Call {
    public static let method = "segments.update"
    public static let summary = "Changes a segment's name, its filter, or both."
    public static let notes = """
        - `segment_id`: which segment. An unknown one is `NOT_FOUND`.
        - `name`, `filter`: an absent field keeps its value. The same rules apply as in `segments.create`.
        - `if_version`: only if the filter still has this `version`, for callers that edit what they read before. Else nothing is changed (`FAILED_PRECONDITION`); `details.version` is the current one. A repeat after a lost answer is refused too where the first one changed the filter: then look with `segments.get`.
        - `version` increases with each change of the filter, but not of the name. Pages of the old filter are refused from then on.
        """
    public static let example = (
        call: Self(segmentID: "fr-win-back", name: "France, win back (summer)"),
        reply: CreateSegment.Reply(segmentID: "fr-win-back", version: 1)
    )
    public var segmentID: Identifier
    public var name: String?
    public var filter: Filter?
    public var ifVersion: Int64?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case segmentID = "segment_id"
        case name, filter
        case ifVersion = "if_version"
    }

    public init(segmentID: Identifier, name: String? = nil, filter: Filter? = nil, ifVersion: Int64? = nil) {
        self.segmentID = segmentID
        self.name = name
        self.filter = filter
        self.ifVersion = ifVersion
    }

    public typealias Reply = CreateSegment.Reply

    /// With `if_version`, a repeat would be refused for what the first one changed.
    public var isSafeToRepeat: Bool { ifVersion == nil }
}
