/// Shows the sizes of a segment by day.
public struct SegmentDataSeries: ReadingCall {
    public static let method = "segments.data_series"
    public static let summary = "Shows the recorded sizes of a segment, one per day."
    public static let notes = """
        - `segment_id`: which segment. An unknown one is `NOT_FOUND`.
        - `length`: the number of days, 1 to 100. `ending_at`: a time in the last day (UTC); by default today.
        - `data`: by day, oldest first. `time`: the day, in UTC. `size`: exact as of the time on that day at which a server counted, soon after midnight, or soon after the segment was created. Days without a record, such as those before the segment was created, are omitted.
        """
    public static let example = (
        call: Self(segmentID: "fr-win-back", length: 14),
        reply: Reply(data: [.init(time: "2026-11-22", size: 1_201), .init(time: "2026-11-23", size: 1_240)])
    )
    public var segmentID: Identifier
    public var length: Int
    public var endingAt: Instant?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case segmentID = "segment_id"
        case length
        case endingAt = "ending_at"
    }

    public init(segmentID: Identifier, length: Int, endingAt: Instant? = nil) {
        self.segmentID = segmentID
        self.length = length
        self.endingAt = endingAt
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var data: [DailySize]

        public init(data: [DailySize]) {
            self.data = data
        }
    }
}

/// A segment's size on a day.
public struct DailySize: Codable, Sendable, Equatable {
    /// Such as `2026-11-23`, of UTC.
    public var time: String
    public var size: Int

    public init(time: String, size: Int) {
        self.time = time
        self.size = size
    }
}
