/// Which cohort is meant: its partner and the id that the partner gave it.
public struct CohortReference: Codable, Sendable, Hashable {
    public var partner: String
    public var cohortID: Identifier

    enum CodingKeys: String, CodingKey, CaseIterable {
        case partner
        case cohortID = "cohort_id"
    }

    public init(partner: String, cohortID: Identifier) {
        self.partner = partner
        self.cohortID = cohortID
    }
}

/// Which segment is meant.
public struct SegmentReference: Codable, Sendable, Hashable {
    public var segmentID: Identifier

    enum CodingKeys: String, CodingKey, CaseIterable {
        case segmentID = "segment_id"
    }

    public init(segmentID: Identifier) {
        self.segmentID = segmentID
    }
}
