/// Merges two users.
public struct MergeUsers: RecordedCall {
    public static let method = "users.merge"
    public static let summary =
        "Merges two users: the kept user takes over the other one's data and memberships."
    public static let notes = """
        - `merge`, `keep`: each one user, by exactly one identifier; see identifiers. Either unknown: `NOT_FOUND`. Both the same user: `INVALID_ARGUMENT`.
        - The kept user's fields stay and missing attributes are added; aliases and devices move to it; if both have a label, the kept user's name stays.
          More than 128 aliases or devices together: `FAILED_PRECONDITION`, and nothing changes.
        - In every set the kept user replaces the other one: it is a member if either was. The merged user's external ids, including deprecated ones, then match no user.
        - `changed_sets`: the number of cohorts that changed. `request_id`: optional; a repeat returns the recorded answer.
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
