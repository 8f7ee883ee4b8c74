import MusterProtocol

/// The answer of `/segments/list`.
struct SegmentList: Encodable {
    struct Entry: Encodable {
        let id: Identifier
        let name: String
        /// Every segment's size is recorded once a day.
        let analyticsTrackingEnabled = true
        let tags: [String] = []

        enum CodingKeys: String, CodingKey {
            case id, name
            case analyticsTrackingEnabled = "analytics_tracking_enabled"
            case tags
        }
    }

    let message = "success"
    let segments: [Entry]

    init(_ segments: [SegmentInfo]) {
        self.segments = segments.map { Entry(id: $0.segmentID, name: $0.name) }
    }

    enum CodingKeys: CodingKey { case message, segments }
}

/// The answer of `/segments/details`.
struct SegmentDetails: Encodable {
    let message = "success"
    let createdAt: Instant
    let updatedAt: Instant
    let name: String
    /// The filter, in words.
    let description: String
    /// A marketer's text about a segment; Muster stores none.
    let textDescription = ""
    let tags: [String] = []
    let teams: [String] = []

    init(_ segment: SegmentInfo) {
        (createdAt, updatedAt, name) = (segment.createdAt, segment.updatedAt, segment.name)
        description = segment.filter.inWords
    }

    enum CodingKeys: String, CodingKey {
        case message
        case createdAt = "created_at"
        case updatedAt = "updated_at"
        case name, description
        case textDescription = "text_description"
        case tags, teams
    }
}

/// The answer of `/segments/data_series`.
struct DataSeries: Encodable {
    let message = "success"
    let data: [DailySize]

    init(data: [DailySize]) { self.data = data }

    enum CodingKeys: CodingKey { case message, data }
}

/// The answer of `/campaigns/list`.
struct NoCampaigns: Encodable {
    let message = "success"
    let campaigns: [String] = []

    enum CodingKeys: CodingKey { case message, campaigns }
}

/// The answer of `/canvas/list`.
struct NoCanvases: Encodable {
    let message = "success"
    let canvases: [String] = []

    enum CodingKeys: CodingKey { case message, canvases }
}
