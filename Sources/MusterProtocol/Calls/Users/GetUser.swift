/// One user, whole.
public struct GetUser: ReadingCall {
    public static let method = "users.get"
    public static let summary = "Shows one user: all identifiers and attributes."
    public static let notes = """
        - `user`: exactly one of `external_id`, `alias` and `device_id`.
        - `external_id` (absent: an anonymous user), `aliases`, `device_ids`, `attributes`: all there are. `created_at`, `updated_at`: when the user was made, and last changed.
        - An unknown user is `NOT_FOUND`.
        """
    public static let example = (
        call: Self(user: .externalID("u-1")),
        reply: Reply(
            externalID: "u-1", aliases: [Alias(label: "crm", name: "4711")], deviceIDs: [],
            attributes: ["country": "FR"], createdAt: Instant(microseconds: 1_763_900_000_000_000),
            updatedAt: Instant(microseconds: 1_763_900_000_000_000))
    )
    public var user: UserReference

    public init(user: UserReference) {
        self.user = user
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var externalID: Identifier?
        public var aliases: [Alias]
        public var deviceIDs: [Identifier]
        public var attributes: Attributes
        public var createdAt: Instant
        public var updatedAt: Instant

        enum CodingKeys: String, CodingKey {
            case externalID = "external_id"
            case aliases
            case deviceIDs = "device_ids"
            case attributes
            case createdAt = "created_at"
            case updatedAt = "updated_at"
        }

        public init(
            externalID: Identifier?, aliases: [Alias], deviceIDs: [Identifier], attributes: Attributes,
            createdAt: Instant, updatedAt: Instant
        ) {
            self.externalID = externalID
            self.aliases = aliases
            self.deviceIDs = deviceIDs
            self.attributes = attributes
            self.createdAt = createdAt
            self.updatedAt = updatedAt
        }
    }
}
