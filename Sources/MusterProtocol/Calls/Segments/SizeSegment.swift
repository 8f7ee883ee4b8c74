/// Counts the users of a saved segment or an ad-hoc filter.
public struct SizeSegment: ReadingCall {
    public static let method = "segments.size"
    public static let summary = "Counts the users of a saved segment or of any filter, exactly."
    public static let notes = """
        - `segment_id` or `filter`: exactly one. `size`: the number of users that it selects.
        - `with_nodes`: also `nodes`, the size of every node of the filter with its path, in preorder.
        - `with_versions`: also the `versions` that were read. `at`: the `versions` of an earlier reply, to count in that state, without users erased since. \(Versions.refusals)
        - `max_staleness_ms`: permits an answer from memory that is at most this old; absent or 0 is exact. See staleness.
        """
    public static let example = (
        call: Self(
            filter: .all([.cohort("tinyclues", "win-back"), .not(.cohort("tinyclues", "active"))]), withNodes: true),
        reply: Reply(
            size: 1,
            nodes: [
                .init(path: "all", size: 1), .init(path: "all[0].cohort", size: 2), .init(path: "all[1].not", size: 1),
                .init(path: "all[1].not.cohort", size: 2),
            ])
    )
    public var segmentID: Identifier?
    public var filter: Filter?
    public var withNodes: Bool?
    public var withVersions: Bool?
    public var at: Versions?
    public var maxStalenessMilliseconds: Int?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case segmentID = "segment_id"
        case filter
        case withNodes = "with_nodes"
        case withVersions = "with_versions"
        case at
        case maxStalenessMilliseconds = "max_staleness_ms"
    }

    public init(
        segmentID: Identifier? = nil, filter: Filter? = nil, withNodes: Bool? = nil, withVersions: Bool? = nil,
        at: Versions? = nil, maxStalenessMilliseconds: Int? = nil
    ) {
        self.segmentID = segmentID
        self.filter = filter
        self.withNodes = withNodes
        self.withVersions = withVersions
        self.at = at
        self.maxStalenessMilliseconds = maxStalenessMilliseconds
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var size: Int
        public var nodes: [NodeSize]?
        public var versions: Versions?

        public init(size: Int, nodes: [NodeSize]? = nil, versions: Versions? = nil) {
            self.size = size
            self.nodes = nodes
            self.versions = versions
        }
    }
}

/// The number of users that one node of a filter selects.
public struct NodeSize: Codable, Sendable, Equatable {
    public var path: String
    public var size: Int

    public init(path: String, size: Int) {
        self.path = path
        self.size = size
    }
}
