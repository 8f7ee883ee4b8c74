/// Registers users and updates them.
public struct UpsertUsers: RecordedCall {
    public static let method = "users.upsert"
    public static let summary =
        "Creates or updates up to 5,000 users in one transaction, with a result for each."
    public static let notes = """
        - An entry names the user of its `external_id`, else of its first alias, else of its first device; a user who does not exist is created. Its other identifiers are added.
          So an unknown `external_id` beside a known alias is `taken`: `users.identify` gives an anonymous user an external id.
        - `attributes`: an object of scalars, arrays of strings, or anything else (stored, but no filter reads it). Attributes that are not named stay; `null` removes one. Names have 1 to 256 bytes, numbers are within ±2^53, and one user's attributes take up to 65,536 bytes of JSON.
        - An entry that can't be applied is refused with a `reason`, and the others are applied:
          `taken` (another user has one of its identifiers; users are never merged here), `invalid` (an identifier that is empty, over 1,024 bytes or has control characters; an attribute without a name, with a number outside of ±2^53, or with U+0000 or half of a surrogate pair in a string),
          `no_identifier`, `label_taken` (the user has another name under that label), `too_many` (128 aliases, 128 devices, 256 attributes and 65,536 bytes of them a user).
          `message` names the part of the entry.
        - Entries are applied in order; one user may be named by several.
        - `created`, `updated`, `unchanged`, `refused`: the numbers of entries by outcome. `results` are in the order of `users`. `request_id`: optional, makes a repeat safe.
        """
    public static let example = (
        call: Self(
            users: [
                .init(
                    externalID: "u-1", aliases: [Alias(label: "crm", name: "4711")],
                    attributes: ["country": "FR", "purchases": 3])
            ], requestID: "batch-1"),
        reply: Reply(created: 1, updated: 0, unchanged: 0, refused: 0, results: [.init(.created)])
    )
    public var users: [UserEntry]
    public var requestID: Identifier?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case users
        case requestID = "request_id"
    }

    public init(users: [UserEntry], requestID: Identifier? = nil) {
        self.users = users
        self.requestID = requestID
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var created: Int
        public var updated: Int
        public var unchanged: Int
        public var refused: Int
        public var results: [UpsertResult]

        public init(created: Int, updated: Int, unchanged: Int, refused: Int, results: [UpsertResult]) {
            self.created = created
            self.updated = updated
            self.unchanged = unchanged
            self.refused = refused
            self.results = results
        }

        public init(results: [UpsertResult]) {
            func count(_ outcome: UpsertResult.Outcome) -> Int { results.count { $0.outcome == outcome } }
            self.init(
                created: count(.created), updated: count(.updated), unchanged: count(.unchanged),
                refused: count(.refused),
                results: results)
        }
    }
}

/// A user as a company registers it.
public struct UserEntry: Codable, Sendable, Equatable {
    public var externalID: Identifier?
    public var aliases: [Alias]?
    public var deviceIDs: [Identifier]?
    public var attributes: Attributes?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case externalID = "external_id"
        case aliases
        case deviceIDs = "device_ids"
        case attributes
    }

    public init(
        externalID: Identifier? = nil, aliases: [Alias]? = nil, deviceIDs: [Identifier]? = nil,
        attributes: Attributes? = nil
    ) {
        self.externalID = externalID
        self.aliases = aliases
        self.deviceIDs = deviceIDs
        self.attributes = attributes
    }

    /// Accepts strings that can't be stored: they refuse their entry, and the others are applied.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        externalID = try container.decodeIfPresent(AnyIdentifier.self, forKey: .externalID)?.id
        aliases = try container.decodeIfPresent([AnyAlias].self, forKey: .aliases)?.map(\.alias)
        deviceIDs = try container.decodeIfPresent([AnyIdentifier].self, forKey: .deviceIDs)?.map(\.id)
        attributes = try container.decodeIfPresent(Attributes.self, forKey: .attributes)
    }
}

/// The outcome of one entry of `users.upsert`.
public struct UpsertResult: Codable, Sendable, Equatable {
    public enum Outcome: String, Codable, Sendable, CaseIterable {
        case created, updated, unchanged, refused
    }

    public enum Reason: String, Codable, Sendable, CaseIterable {
        case taken, invalid
        /// In calls that create no user: the user does not exist.
        case unknown
        case noIdentifier = "no_identifier"
        case labelTaken = "label_taken"
        case tooMany = "too_many"
    }

    public var outcome: Outcome
    public var reason: Reason?
    public var message: String?

    public init(_ outcome: Outcome, reason: Reason? = nil, message: String? = nil) {
        self.outcome = outcome
        self.reason = reason
        self.message = message
    }
}
