/// Erases users.
public struct DeleteUsers: RecordedCall {
    public static let method = "users.delete"
    public static let summary =
        "Erases users with all identifiers and attributes, also from every set, in one transaction."
    public static let notes = """
        - `users`: up to 1,000, each by exactly one identifier; see identifiers. `deleted`: the number of erased users. `unknown`: the number of references that match no user; they change nothing.
        - No later answer contains an erased user, not even of an earlier version; registering the same external id creates a new user.
        - Archives of exports with an erased user are no longer served, and a server deletes them within seconds; `users.export.get` returns `outdated`. An export in progress is started over without the user.
        - The bytes stay in PostgreSQL's files until VACUUM FULL, or until the space is reused, and in WAL and backups until their retention ends.
        - `request_id`: optional; a repeat returns the recorded answer.
        """
    public static let example = (
        call: Self(users: [.externalID("u-1"), .externalID("nobody")], requestID: "gdpr-12"),
        reply: Reply(deleted: 1, unknown: 1)
    )
    public var users: [UserReference]
    public var requestID: Identifier?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case users
        case requestID = "request_id"
    }

    public init(users: [UserReference], requestID: Identifier? = nil) {
        self.users = users
        self.requestID = requestID
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var deleted: Int
        public var unknown: Int

        public init(deleted: Int, unknown: Int) {
            self.deleted = deleted
            self.unknown = unknown
        }
    }
}
