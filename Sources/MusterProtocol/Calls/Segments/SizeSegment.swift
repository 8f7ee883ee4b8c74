/// Counts the users of a saved segment or an ad-hoc filter.
public struct SizeSegment: ReadingCall {
    public static let method = "segments.size"
    public static let summary = "Counts the users of a saved segment or of any filter, exactly."
    public static let notes = """
        - `segment_id` or `filter`: exactly one. `size`: the number of users that it selects.
        - `with_nodes`: also `nodes`, the size of every node of the filter with its path, in preorder.
        - `with_marginals`: also `marginals`: for each child of an `all` or `any`, with its path, the size of the whole filter without this child. An `all` without its only child is everyone, an `any` nobody.
        - `regions`: 1 to 5 filters that divide the users of the segment or filter; also `regions` in the reply. Each has the `size` of those who are `in` each filter or not, so n filters make 2^n regions, which add up to `size`. They are in the order of binary numbers, the first filter being the highest digit: `[false,false]`, `[false,true]`, `[true,false]`, `[true,true]`.
        - All figures of a reply show one state. `with_nodes`, `with_marginals` and `regions` exclude `at`.
        - `with_versions`: also the `versions` that were read. `at`: the `versions` of an earlier reply, to count in that state, without users erased since. \(Versions.refusals)
        - `max_staleness_ms`: permits an answer from memory that is at most this old; absent or 0 is exact. See staleness.
        """
    public static let example = (
        call: Self(
            filter: .all([.cohort("tinyclues", "win-back"), .not(.cohort("tinyclues", "active"))]), withNodes: true,
            withMarginals: true, regions: [.segment("lapsed")]),
        reply: Reply(
            size: 1,
            nodes: [
                .init(path: "all", size: 1), .init(path: "all[0].cohort", size: 2), .init(path: "all[1].not", size: 1),
                .init(path: "all[1].not.cohort", size: 2),
            ],
            marginals: [.init(path: "all[0].cohort", size: 1), .init(path: "all[1].not", size: 2)],
            regions: [.init(in: [false], size: 1), .init(in: [true], size: 0)])
    )
    public var segmentID: Identifier?
    public var filter: Filter?
    public var withNodes: Bool?
    public var withMarginals: Bool?
    public var regions: [Filter]?
    public var withVersions: Bool?
    public var at: Versions?
    public var maxStalenessMilliseconds: Int?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case segmentID = "segment_id"
        case filter
        case withNodes = "with_nodes"
        case withMarginals = "with_marginals"
        case regions
        case withVersions = "with_versions"
        case at
        case maxStalenessMilliseconds = "max_staleness_ms"
    }

    public init(
        segmentID: Identifier? = nil, filter: Filter? = nil, withNodes: Bool? = nil, withMarginals: Bool? = nil,
        regions: [Filter]? = nil, withVersions: Bool? = nil, at: Versions? = nil, maxStalenessMilliseconds: Int? = nil
    ) {
        self.segmentID = segmentID
        self.filter = filter
        self.withNodes = withNodes
        self.withMarginals = withMarginals
        self.regions = regions
        self.withVersions = withVersions
        self.at = at
        self.maxStalenessMilliseconds = maxStalenessMilliseconds
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var size: Int
        public var nodes: [NodeSize]?
        public var marginals: [NodeSize]?
        public var regions: [RegionSize]?
        public var versions: Versions?

        public init(
            size: Int, nodes: [NodeSize]? = nil, marginals: [NodeSize]? = nil, regions: [RegionSize]? = nil,
            versions: Versions? = nil
        ) {
            self.size = size
            self.nodes = nodes
            self.marginals = marginals
            self.regions = regions
            self.versions = versions
        }
    }
}

/// A number of users, at the path of a node of a filter.
public struct NodeSize: Codable, Sendable, Equatable {
    public var path: String
    public var size: Int

    public init(path: String, size: Int) {
        self.path = path
        self.size = size
    }
}

/// The number of users who are in some filters and not in others.
public struct RegionSize: Codable, Sendable, Equatable {
    /// Whether they are in each filter, in the order of the call.
    public var `in`: [Bool]
    public var size: Int

    public init(in: [Bool], size: Int) {
        self.in = `in`
        self.size = size
    }
}
