/// The state that an answer was computed from: the version of everything that the question touched.
/// Sent when a call says `with_versions`; `at` takes it back to ask about that state again.
public struct Versions: Codable, Sendable, Equatable {
    /// Of the set of all users.
    public var everyone: Int64
    /// Of all attributes, where the filter tests one.
    public var attributes: Int64?
    /// Of all events and purchases, where the filter tests any.
    public var events: Int64?
    public var cohorts: [CohortVersion]
    /// The definitions of the saved segments used, directly or inside one another.
    public var segments: [SegmentVersion]

    enum CodingKeys: String, CodingKey, CaseIterable { case everyone, attributes, events, cohorts, segments }

    /// Which questions about an earlier state are refused, for the notes of every call that takes `at`.
    static let refusals =
        "A filter with an attribute, an event or a purchase, also inside of a saved one, has no earlier states and refuses `at`; so does a segment that was changed since (`FAILED_PRECONDITION`). A version that is not kept is `OUT_OF_RANGE`."

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
    /// Tells the cohort from one that was made later under the same id: `at` is refused where it is another. Opaque.
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

/// The version of a segment's definition: it rises with every change of the filter, and no other definition ever had it.
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
