/// Gives an anonymous user an external id.
public struct IdentifyUser: RecordedCall {
    public static let method = "users.identify"
    public static let summary =
        "Gives an anonymous user an external id; where a user with it exists, the two become one."
    public static let notes = """
        - `external_id`: the id to give.
        - `user`: the anonymous user, by exactly one identifier; see identifiers. An e-mail address or telephone number that several have means the identified one first, so ask for `unidentified`. Unknown: `NOT_FOUND`. One that has another external id: `FAILED_PRECONDITION`.
        - `outcome`: `identified` (the user now has the external id), `merged` (a user with it existed and is kept, as by `users.merge`), `kept_apart` (a user with it existed, and `merge_when` keeps both as they are), or `unchanged` (the user has it already).
        - `merge_when`: optional, what becomes of the two where a user with the id exists. `always`, also where it is absent; `labels_differ`: only where no alias label is on both, as Braze does; `never`.
        - `request_id`: optional; a repeat gets the recorded answer.
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

/// When an anonymous user is joined into the one who has the external id. A merge can't be undone.
public enum MergeWhen: String, Codable, Sendable, CaseIterable {
    case always
    /// Where no alias label is on both.
    case labelsDiffer = "labels_differ"
    case never

    public init(from decoder: any Decoder) throws { self = try .oneOf(decoder) }
}
