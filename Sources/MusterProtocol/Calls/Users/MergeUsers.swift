/// Makes two users one.
public struct MergeUsers: RecordedCall {
    public static let method = "users.merge"
    public static let summary =
        "Makes two users one: the kept user takes over what the merged one had, in every set too."
    public static let notes = """
        - `merge`, `keep`: each one user, by exactly one identifier; see identifiers. Either unknown: `NOT_FOUND`. Both the same user: `INVALID_ARGUMENT`.
        - The kept user's own fields stay and missing attributes are filled in; aliases and devices move over; where both have a label, the kept user's name stays.
          More than 128 aliases or devices together: `FAILED_PRECONDITION`, and nothing happens.
        - In every set the kept user takes the other one's place: it is a member if either was. The merged user's external id, former ones included, then finds no one.
        - `changed_sets`: in how many cohorts something changed. `request_id`: optional; a repeat gets the recorded answer.
        """
    public static let example = (
        call: Self(merge: .externalID("u-7"), keep: .externalID("u-1"), requestID: "dedupe-3"),
        reply: Reply(changedSets: 2)
    )
    public var merge: UserReference
    public var keep: UserReference
    public var requestID: Identifier?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case merge, keep
        case requestID = "request_id"
    }

    public init(merge: UserReference, keep: UserReference, requestID: Identifier? = nil) {
        self.merge = merge
        self.keep = keep
        self.requestID = requestID
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var changedSets: Int

        enum CodingKeys: String, CodingKey {
            case changedSets = "changed_sets"
        }

        public init(changedSets: Int) {
            self.changedSets = changedSets
        }
    }
}
