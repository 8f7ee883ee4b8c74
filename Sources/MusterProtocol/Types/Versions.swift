/// The state that a reply was computed from: the version of everything that the request read. A reply has it when the
/// call says `with_versions`; pass it as `at` to read that state again.
public struct Versions: Codable, Sendable, Equatable {
    /// The version of the set of all users.
    public var everyone: Int64
    /// The version of all attributes, when the filter tests one.
    public var attributes: Int64?
    /// The version of all events and purchases, when the filter tests any.
    public var events: Int64?
    public var cohorts: [CohortVersion]
    /// The definitions of the saved segments that the filter uses, directly or nested.
    public var segments: [SegmentVersion]

    enum CodingKeys: String, CodingKey, CaseIterable { case everyone, attributes, events, cohorts, segments }

    /// The requests about an earlier state that are refused, for the notes of each call that takes `at`.
    static let refusals =
        "A filter with an attribute, an identifier, an event or a purchase, also inside a saved filter, has no earlier states and refuses `at`, as does a segment that has changed since (`FAILED_PRECONDITION`). A version that is no longer stored is `OUT_OF_RANGE`."

    public init(
        everyone: Int64, attributes: Int64? = nil, events: Int64? = nil, cohorts: [CohortVersion] = [],
        segments: [SegmentVersion] = []
    ) {
        self.everyone = everyone
        self.attributes = attributes
        self.events = events
        self.cohorts = cohorts
        self.segments = segments
    }
}

/// A cohort at a version.
public struct CohortVersion: Codable, Sendable, Hashable {
    public var partner: String
    public var cohortID: Identifier
    public var version: Int64
    /// Identifies the cohort: `at` is refused when a later cohort has the same id. Opaque.
    public var generation: Int32?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case partner
        case cohortID = "cohort_id"
        case version, generation
    }

    public init(partner: String, cohortID: Identifier, version: Int64, generation: Int32? = nil) {
        self.partner = partner
        self.cohortID = cohortID
        self.version = version
        self.generation = generation
    }
}

/// The version of a segment's definition: it rises with each change of the filter and is never reused.
public struct SegmentVersion: Codable, Sendable, Hashable {
    public var segmentID: Identifier
    public var version: Int64

    enum CodingKeys: String, CodingKey, CaseIterable {
        case segmentID = "segment_id"
        case version
    }

    public init(segmentID: Identifier, version: Int64) {
        self.segmentID = segmentID
        self.version = version
    }
}
