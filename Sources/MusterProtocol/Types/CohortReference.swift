/// Names a cohort by its partner and the id that the partner gave it.
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

/// Names a segment.
public struct SegmentReference: Codable, Sendable, Hashable {
    public var segmentID: Identifier

    enum CodingKeys: String, CodingKey, CaseIterable {
        case segmentID = "segment_id"
    }

    public init(segmentID: Identifier) {
        self.segmentID = segmentID
    }
}
