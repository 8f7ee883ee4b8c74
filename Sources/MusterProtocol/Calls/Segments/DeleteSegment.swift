/// Deletes a segment.
public struct DeleteSegment: Call {
    public static let method = "segments.delete"
    public static let summary = "Deletes a segment."
    public static let notes = """
        - `segment_id`: which segment. An unknown one is `NOT_FOUND`.
        - Refused with `FAILED_PRECONDITION` while other segments use it; the message names them.
        """
    public static let example = (call: Self(segmentID: "fr-win-back"), reply: Done())
    public var segmentID: Identifier

    enum CodingKeys: String, CodingKey, CaseIterable {
        case segmentID = "segment_id"
    }

    public init(segmentID: Identifier) {
        self.segmentID = segmentID
    }

    public typealias Reply = Done

    public var isSafeToRepeat: Bool { false }
}
