public import MusterProtocol

/// Where a listing of users goes on: which state it shows, and after which user. What a page token holds.
public struct ListingPosition: Codable, Sendable, Equatable {
    /// The versions that the first page was of, with the sets of the cohorts, so that a cohort that was made again
    /// isn't taken for it.
    public var versions: Versions?
    public var sets: [Int32]?
    /// The stored result of a filter with leaves that have no history.
    public var stored: Int32?
    /// The last number that was shown, or stood for somebody who is gone.
    public var after: UInt32?

    enum CodingKeys: String, CodingKey {
        case versions = "v"
        case sets = "s"
        case stored = "l"
        case after = "a"
    }

    public init(
        versions: Versions? = nil, sets: [Int32]? = nil, stored: Int32? = nil, after: UInt32? = nil
    ) {
        self.versions = versions
        self.sets = sets
        self.stored = stored
        self.after = after
    }
}

/// Users of a listing, and where it goes on.
public struct ListingPage: Sendable {
    public var members: [Member]
    public var size: Int
    public var versions: Versions?
    /// Nil on the last page.
    public var next: ListingPosition?
}

/// A stored listing is gone: it expired, or never was.
public struct ListingExpired: Error {}

/// What a page is asked to hold.
public struct PageShape: Sendable {
    public var size: Int
    public var allIdentifiers: Bool

    public init(size: Int, allIdentifiers: Bool) {
        self.size = size
        self.allIdentifiers = allIdentifiers
    }
}
