/// How far an export is.
public struct GetExport: ReadingCall {
    public static let method = "users.export.get"
    public static let summary =
        "Shows the state of an export of a segment: waiting, running, done, expired or ended otherwise."
    public static let notes = """
        - `object_prefix`: the export, as named by `users.export.segment`. Unknown, or expired more than 7 days ago: `NOT_FOUND`.
        - `state`: `waiting` for a server to take it; `running`; `done`: the archive can be fetched; `expired`: after `expires_at`; `failed`; `cancelled`; `outdated`: a user in the archive was erased since, so it is not served and is deleted within seconds. All except the first two are final, except that `done` becomes `outdated` or `expired`.
        - `segment_id`: the segment. `created_at`: when the export was requested. `attempts`: how often a server started it. It is started again if a server ends or loses its database, or if a user in it is erased meanwhile. After 10 attempts it has failed.
        - `byte_count`: the archive's length, once it is done. `expires_at`: until when the archive can be fetched, or when a failed or cancelled export ended; absent while it waits or runs.
        - The key needs `users.export.get` or `users.export.segment`. The archive's URL reports the same: 202 while the export waits or runs, 200 with the archive, then 410.
        """
    public static let example = (
        call: Self(objectPrefix: "5b1f4c2e-8f3e-4a53-9d2c-0a6f5f1f7c11-1763900000"),
        reply: Reply(
            objectPrefix: "5b1f4c2e-8f3e-4a53-9d2c-0a6f5f1f7c11-1763900000", segmentID: "fr-win-back", state: .done,
            createdAt: Instant(microseconds: 1_763_900_000_000_000), attempts: 1, byteCount: 48_213,
            expiresAt: Instant(microseconds: 1_763_914_400_000_000))
    )
    public var objectPrefix: Identifier

    enum CodingKeys: String, CodingKey, CaseIterable {
        case objectPrefix = "object_prefix"
    }

    public init(objectPrefix: Identifier) {
        self.objectPrefix = objectPrefix
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var objectPrefix: Identifier
        public var segmentID: Identifier
        public var state: ExportState
        public var createdAt: Instant
        public var attempts: Int
        public var byteCount: Int?
        public var expiresAt: Instant?

        enum CodingKeys: String, CodingKey {
            case objectPrefix = "object_prefix"
            case segmentID = "segment_id"
            case state
            case createdAt = "created_at"
            case attempts
            case byteCount = "byte_count"
            case expiresAt = "expires_at"
        }

        public init(
            objectPrefix: Identifier, segmentID: Identifier, state: ExportState, createdAt: Instant, attempts: Int,
            byteCount: Int? = nil, expiresAt: Instant? = nil
        ) {
            self.objectPrefix = objectPrefix
            self.segmentID = segmentID
            self.state = state
            self.createdAt = createdAt
            self.attempts = attempts
            self.byteCount = byteCount
            self.expiresAt = expiresAt
        }
    }
}

/// How far an export is.
public enum ExportState: String, Codable, Sendable, CaseIterable {
    /// For a server to take it.
    case waiting
    case running
    /// The archive can be fetched.
    case done
    /// The archive has expired.
    case expired
    case failed, cancelled
    /// A user in the archive was erased since.
    case outdated
}
