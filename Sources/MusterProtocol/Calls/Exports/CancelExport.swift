/// Ends an export that is not done.
public struct CancelExport: Call {
    public static let method = "users.export.cancel"
    public static let summary = "Ends the export of a segment that is waiting or running."
    public static let notes = """
        - `segment_id`: whose export. Where none is waiting or running it is `NOT_FOUND`; an archive that is done stays until it expires.
        """
    public static let example = (call: Self(segmentID: "lapsed"), reply: Done())
    public var segmentID: Identifier

    enum CodingKeys: String, CodingKey, CaseIterable {
        case segmentID = "segment_id"
    }

    public init(segmentID: Identifier) {
        self.segmentID = segmentID
    }

    public typealias Reply = Done

    public var isSafeToRepeat: Bool { true }
}
