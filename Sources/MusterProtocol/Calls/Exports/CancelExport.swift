/// Cancels an export.
public struct CancelExport: RecordedCall {
    public static let method = "users.export.cancel"
    public static let summary = "Cancels the waiting or running export of a segment."
    public static let notes = """
        - `segment_id`: the segment. If no export of it is waiting or running, the call is `NOT_FOUND`; a finished archive stays until it expires.
        - `request_id`: see [repeating](../repeating.md).
        """
    public static let example = (call: Self(segmentID: "lapsed", requestID: "stop-7"), reply: Done())
    public var segmentID: Identifier
    public var requestID: Identifier?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case segmentID = "segment_id"
        case requestID = "request_id"
    }

    public init(segmentID: Identifier, requestID: Identifier? = nil) {
        self.segmentID = segmentID
        self.requestID = requestID
    }

    public typealias Reply = Done
}
