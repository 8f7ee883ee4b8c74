/// Gives an anonymous user an external id.
public struct IdentifyUser: RecordedCall {
    public static let method = "users.identify"
    public static let summary =
        "Gives an anonymous user an external id; if a user with it exists, merges the two."
    public static let notes = """
        - `external_id`: the id to assign.
        - `user`: the anonymous user, by exactly one identifier; see identifiers. An e-mail address or telephone number of several users selects an identified one first, so pass `unidentified`. An unknown user: `NOT_FOUND`. A user with another external id: `FAILED_PRECONDITION`.
        - `outcome`: `identified` (the user now has the external id), `merged` (a user with it existed and is kept, as by `users.merge`), `kept_apart` (a user with it existed, and `merge_when` keeps both as they are), or `unchanged` (the user has it already).
        - `merge_when`: optional; whether to merge if a user with the id exists. `always` (the default); `labels_differ`: only if the two have no alias label in common, as Braze does; `never`.
        - `request_id`: optional; a repeat returns the recorded answer.
        """
    public static let example = (
        call: Self(user: .deviceID("d-9"), externalID: "u-2", requestID: "login-77"), reply: Reply(outcome: .identified)
    )
    public var user: UserReference
    public var externalID: Identifier
    public var mergeWhen: MergeWhen?
    public var requestID: Identifier?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case user
        case externalID = "external_id"
        case mergeWhen = "merge_when"
        case requestID = "request_id"
    }

    public init(user: UserReference, externalID: Identifier, mergeWhen: MergeWhen? = nil, requestID: Identifier? = nil)
    {
        self.user = user
        self.externalID = externalID
        self.mergeWhen = mergeWhen
        self.requestID = requestID
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var outcome: IdentifyOutcome

        public init(outcome: IdentifyOutcome) {
            self.outcome = outcome
        }
    }
}

public enum IdentifyOutcome: String, Codable, Sendable, CaseIterable {
    case identified, merged, unchanged
    case keptApart = "kept_apart"
}

/// When an anonymous user is merged into the user with the external id. A merge can't be undone.
public enum MergeWhen: String, Codable, Sendable, CaseIterable {
    case always
    /// If the users have no alias label in common.
    case labelsDiffer = "labels_differ"
    case never

    public init(from decoder: any Decoder) throws { self = try .oneOf(decoder) }
}
