/// Erases users.
public struct DeleteUsers: RecordedCall {
    public static let method = "users.delete"
    public static let summary =
        "Erases users: out of every set, with all identifiers and attributes, in one transaction."
    public static let notes = """
        - `users`: up to 1,000, each by exactly one identifier; see identifiers. `deleted`: how many were erased. `unknown`: how many there were not; they change nothing.
        - No answer shows an erased user afterwards, not even of an earlier version; a new user with the same external id is a new user.
        - Archives of exports that hold an erased user are not handed out any more, and a server deletes them within seconds; `users.export.get` says `outdated`. An export that is being made is begun again without her.
        - The bytes stay in PostgreSQL's files until VACUUM FULL, or until the space is used again, and in WAL and backups until their retention ends.
        - `request_id`: optional; a repeat gets the recorded answer.
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
