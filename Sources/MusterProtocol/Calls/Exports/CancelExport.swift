/// Ends an export that is not done.
public struct CancelExport: RecordedCall {
    public static let method = "users.export.cancel"
    public static let summary = "Ends the export of a segment that is waiting or running."
    public static let notes = """
        - `segment_id`: whose export. Where none is waiting or running it is `NOT_FOUND`; an archive that is done stays until it expires.
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
