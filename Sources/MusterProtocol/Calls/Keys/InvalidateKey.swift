/// Ends a key.
public struct InvalidateKey: Call {
    public static let method = "keys.invalidate"
    public static let summary =
        "Ends a key for good: new calls and open connections stop within a second, on every server."
    public static let notes = """
        - `key_id`: the public id. `invalidated_at`: when it was ended. An unknown one is `NOT_FOUND`; one that is already invalidated is a success that keeps its first time.
        - Cohorts and their members stay.
        - `force`: true ends also the key with the scope `*` that lasts longest, without which nobody could make such a key any more once the others are over. Without it that is `FAILED_PRECONDITION`, and nothing is changed: make another key first. `muster-server key create` makes one where none is left.
        """
    public static let example = (
        call: Self(keyID: "k_3f9a1c07be42"),
        reply: Reply(invalidatedAt: Instant(microseconds: 1_763_900_000_000_000))
    )
    public var keyID: String
    public var force: Bool?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case keyID = "key_id"
        case force
    }

    public init(keyID: String, force: Bool? = nil) {
        self.keyID = keyID
        self.force = force
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var invalidatedAt: Instant

        enum CodingKeys: String, CodingKey {
            case invalidatedAt = "invalidated_at"
        }

        public init(invalidatedAt: Instant) {
            self.invalidatedAt = invalidatedAt
        }
    }

    public var isSafeToRepeat: Bool { true }
}
