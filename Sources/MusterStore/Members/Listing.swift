public import MusterProtocol

/// The position at which a listing of users continues: the listed state and the last user. Page tokens contain it.
public struct ListingPosition: Codable, Sendable, Equatable {
    /// The versions of the first page. With them go the sets of the cohorts, so that a recreated cohort isn't taken for
    /// the earlier one.
    public var versions: Versions?
    public var sets: [Int32]?
    /// The stored result of a filter with leaves that have no history.
    public var stored: Int32?
    /// The last number on the page, even if its user no longer exists.
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

/// A page of users, and the position of the next page.
public struct ListingPage: Sendable {
    public var members: [Member]
    public var size: Int
    public var versions: Versions?
    /// Nil on the last page.
    public var next: ListingPosition?
}

/// A stored listing is expired, or never existed.
public struct ListingExpired: Error {}

/// The requested size and content of a page.
public struct PageShape: Sendable {
    public var size: Int
    public var allIdentifiers: Bool

    public init(size: Int, allIdentifiers: Bool) {
        self.size = size
        self.allIdentifiers = allIdentifiers
    }
}
