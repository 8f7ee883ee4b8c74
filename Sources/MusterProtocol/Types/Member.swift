/// A user in a listing: the external id, else one alias, else one device id, else the braze id. All identifiers when
/// the call requests them.
public struct Member: Codable, Sendable, Hashable {
    public var externalID: Identifier?
    public var aliases: [Alias]?
    public var deviceIDs: [Identifier]?
    public var brazeID: Identifier?

    enum CodingKeys: String, CodingKey {
        case externalID = "external_id"
        case aliases
        case deviceIDs = "device_ids"
        case brazeID = "braze_id"
    }

    public init(
        externalID: Identifier? = nil, aliases: [Alias]? = nil, deviceIDs: [Identifier]? = nil,
        brazeID: Identifier? = nil
    ) {
        self.brazeID = brazeID
        self.externalID = externalID
        self.aliases = aliases
        self.deviceIDs = deviceIDs
    }
}

/// A call that lists in pages. The `next_page_token` of a reply is the `page_token` of the next call, on any
/// connection.
public protocol PagedCall: ReadingCall where Reply: Page {
    /// Maximum entries in a page; 1,000 when absent, and at most 10,000. A page may have fewer.
    var pageSize: Int? { get set }
    var pageToken: String? { get set }
}

/// One page of a listing.
public protocol Page {
    associatedtype Entry: Sendable
    var entries: [Entry] { get }
    /// Absent on the last page.
    var nextPageToken: String? { get }
}
