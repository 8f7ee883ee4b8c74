/// Invalidates a key.
public struct InvalidateKey: Call {
    public static let method = "keys.invalidate"
    public static let summary =
        "Invalidates a key permanently: every server refuses its calls and closes its connections within a second."
    public static let notes = """
        - `key_id`: the public id. `invalidated_at`: when it was invalidated. An unknown key is `NOT_FOUND`; invalidating a key again succeeds and keeps the first time.
        - Cohorts and their members stay.
        - `force`: true also invalidates the key with the scope `*` that is valid for longest; without such a key, no key with `*` can be created once the others have expired. Without `force` this is `FAILED_PRECONDITION` and changes nothing: create another key first. `muster-server key create` creates one if none is left.
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
