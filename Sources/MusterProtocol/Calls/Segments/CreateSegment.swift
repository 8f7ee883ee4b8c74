/// Saves a filter.
public struct CreateSegment: RecordedCall {
    public static let method = "segments.create"
    public static let summary = "Saves a filter under a name."
    public static let notes = """
        - `segment_id`: your id (up to 256 bytes), or absent for a UUID from the server. An id in use: `ALREADY_EXISTS`.
        - `name`: free, changeable, not unique. `filter`: see filters.
        - `version`: of the filter; see `segments.update`.
        - A filter that names a missing cohort or segment, or that would contain itself, is refused with the path (`INVALID_ARGUMENT`), as is one with more than 32 levels or 256 nodes, including nested saved filters.
        - `request_id`: optional; a repeat returns the recorded answer.
        """
    public static let example = (
        call: Self(
            segmentID: "fr-win-back", name: "France, win back",
            filter: .all([
                .cohort("tinyclues", "win-back"), .not(.cohort("tinyclues", "active")),
                .attribute("country", .equals, .string("FR")),
            ])),
        reply: Reply(segmentID: "fr-win-back", version: 1)
    )
    public var segmentID: Identifier?
    public var name: String
    public var filter: Filter
    public var requestID: Identifier?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case segmentID = "segment_id"
        case name, filter
        case requestID = "request_id"
    }

    public init(segmentID: Identifier? = nil, name: String, filter: Filter, requestID: Identifier? = nil) {
        self.segmentID = segmentID
        self.name = name
        self.filter = filter
        self.requestID = requestID
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var segmentID: Identifier
        public var version: Int64

        enum CodingKeys: String, CodingKey {
            case segmentID = "segment_id"
            case version
        }

        public init(segmentID: Identifier, version: Int64) {
            self.segmentID = segmentID
            self.version = version
        }
    }
}
