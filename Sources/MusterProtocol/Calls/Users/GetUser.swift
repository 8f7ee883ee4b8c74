/// Shows one user with all data.
public struct GetUser: ReadingCall {
    public static let method = "users.get"
    public static let summary = "Shows one user: all identifiers and attributes."
    public static let notes = """
        - `user`: named by exactly one identifier; see identifiers.
        - `external_id` (absent: an anonymous user), `deprecated_external_ids` (those that `users.external_ids.rename` replaced, which still find the user), `braze_id` (24 hexadecimal digits, assigned by Muster), `aliases`, `device_ids`, `attributes`: all of them. `created_at`, `updated_at`: when the user was created and last changed.
        - An unknown user is `NOT_FOUND`.
        """
    public static let example = (
        call: Self(user: .externalID("u-1")),
        reply: Reply(
            externalID: "u-1", deprecatedExternalIDs: [], brazeID: "3f9a1c07be425d6688a0b1c2",
            aliases: [Alias(label: "crm", name: "4711")], deviceIDs: [],
            attributes: ["country": "FR"], createdAt: Instant(microseconds: 1_763_900_000_000_000),
            updatedAt: Instant(microseconds: 1_763_900_000_000_000))
    )
    public var user: UserReference

    enum CodingKeys: String, CodingKey, CaseIterable { case user }

    public init(user: UserReference) {
        self.user = user
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var externalID: Identifier?
        public var deprecatedExternalIDs: [Identifier]
        public var brazeID: Identifier
        public var aliases: [Alias]
        public var deviceIDs: [Identifier]
        public var attributes: Attributes
        public var createdAt: Instant
        public var updatedAt: Instant

        enum CodingKeys: String, CodingKey {
            case externalID = "external_id"
            case deprecatedExternalIDs = "deprecated_external_ids"
            case brazeID = "braze_id"
            case aliases
            case deviceIDs = "device_ids"
            case attributes
            case createdAt = "created_at"
            case updatedAt = "updated_at"
        }

        public init(
            externalID: Identifier?, deprecatedExternalIDs: [Identifier], brazeID: Identifier, aliases: [Alias],
            deviceIDs: [Identifier], attributes: Attributes, createdAt: Instant, updatedAt: Instant
        ) {
            self.externalID = externalID
            self.deprecatedExternalIDs = deprecatedExternalIDs
            self.brazeID = brazeID
            self.aliases = aliases
            self.deviceIDs = deviceIDs
            self.attributes = attributes
            self.createdAt = createdAt
            self.updatedAt = updatedAt
        }
    }
}
