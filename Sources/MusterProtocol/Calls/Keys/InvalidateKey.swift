/// Ends a key.
public struct InvalidateKey: Call {
    public static let method = "keys.invalidate"
    public static let summary =
        "Ends a key for good: new calls and open connections stop within a second, on every server."
    public static let notes = """
        - `key_id`: the public id. `invalidated_at`: when it was ended. An unknown one is `NOT_FOUND`; one that is already invalidated is a success that keeps its first time.
        - Cohorts and their members stay.
        """
    public static let example = (
        call: Self(keyID: "k_3f9a1c07be42"),
        reply: Reply(invalidatedAt: Instant(microseconds: 1_763_900_000_000_000))
    )
    public var keyID: String

    enum CodingKeys: String, CodingKey, CaseIterable {
        case keyID = "key_id"
    }

    public init(keyID: String) {
        self.keyID = keyID
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
