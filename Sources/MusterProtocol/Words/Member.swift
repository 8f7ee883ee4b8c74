/// A user in a listing: the external id, else one alias, else one device id, else the braze id; all identifiers where the call asks
/// for them.
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

/// A call that lists, page by page. `next_page_token` of a reply is the `page_token` of the next call, on any connection.
public protocol PagedCall: ReadingCall where Reply: Page {
    /// Entries in a page at most; 1,000 where absent, and never more than 10,000. A page may hold fewer.
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
