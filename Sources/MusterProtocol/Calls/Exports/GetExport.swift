/// How far an export is.
public struct GetExport: ReadingCall {
    public static let method = "users.export.get"
    public static let summary =
        "Shows how far the export of a segment is: waiting, running, done, expired or ended otherwise."
    public static let notes = """
        - `object_prefix`: which export, as `users.export.segment` named it. Unknown, or expired more than 7 days ago: `NOT_FOUND`.
        - `state`: `waiting` for a server to take it; `running`; `done`, so that the archive can be fetched; `expired`, after `expires_at`; `failed`; `cancelled`; `outdated`, where a user in the archive was erased since, so that it is not handed out, and is deleted within seconds. All but the first two are final, but that `done` becomes `outdated` or `expired`.
        - `segment_id`: whose members. `created_at`: when the export was begun. `attempts`: how often a server took it. More than once: a server ended, or lost its database, before it was done, or a user in it was erased meanwhile. After 10 it has failed.
        - `byte_count`: the archive's length, once it is done. `expires_at`: until when it can be fetched, or, of one that failed or was cancelled, when it ended or is forgotten as such; absent while it waits or runs.
        - The key needs `users.export.get` or `users.export.segment`. The archive's own address tells the same: 202 while the export waits or runs, 200 with the archive, then 410.
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
    /// It was done, and its time is over.
    case expired
    case failed, cancelled
    /// It is done, and a user in it was erased since.
    case outdated
}
