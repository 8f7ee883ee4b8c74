/// Explains why a user is in a segment, or not.
public struct ExplainSegment: ReadingCall {
    public static let method = "segments.explain"
    public static let summary =
        "Shows for every node of a saved segment or of any filter whether a user is in it, and why."
    public static let notes = """
        - `segment_id` or `filter`: exactly one. `user`: by exactly one identifier; see identifiers. An unknown user is `NOT_FOUND`.
        - `in`: whether the filter selects the user. `nodes`: every node with its path, in preorder, as in `segments.size`, and whether the user is `in` it. A saved filter stands in the place of the node that names it.
        - A node of an attribute has the user's `value`, and is without one if the user doesn't have the attribute. A node of an event or a purchase has the `activity` that it counts: the `count`, the `total_spent` on purchases, and the last time (`last_at`).
        - Values and activity are personal data: they are shown only to keys that may call `users.get`. `values_shown` tells whether this key may.
        - A node of a cohort has the last `change` of the user's membership. `added` and `removed` have the `version` of the cohort, `changed_at`, and the `source`: `import`, with its `key_id` and `request_id`; `merge`, of two users; or `unknown`, because the receipt is no longer stored. `none`: the user has never been a member. `unknown`: the log of changes no longer has it, or it is too far back (`explain_log_bytes`); see limits.
        - The whole reply shows one state. `with_versions`: also the `versions` that were read.
        """
    public static let example = (
        call: Self(segmentID: "fr-win-back", user: .externalID("u-1")),
        reply: Reply(
            in: true,
            nodes: [
                .init("all", in: true),
                .init(
                    "all[0].cohort", in: true,
                    cohort: .init(
                        .added, version: 7, changedAt: Instant(microseconds: 1_763_900_000_000_000), source: .import,
                        keyID: "k_3f9a1c07be42", requestID: "7f3c")),
                .init("all[1].not", in: true), .init("all[1].not.cohort", in: false, cohort: .init(.none)),
                .init("all[2].attribute", in: true, value: try? RawJSON(encoding: "FR")),
            ], valuesShown: true)
    )
    public var segmentID: Identifier?
    public var filter: Filter?
    public var user: UserReference
    public var withVersions: Bool?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case segmentID = "segment_id"
        case filter, user
        case withVersions = "with_versions"
    }

    public init(
        segmentID: Identifier? = nil, filter: Filter? = nil, user: UserReference, withVersions: Bool? = nil
    ) {
        self.segmentID = segmentID
        self.filter = filter
        self.user = user
        self.withVersions = withVersions
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var `in`: Bool
        public var nodes: [ExplainedNode]
        public var valuesShown: Bool
        public var versions: Versions?

        enum CodingKeys: String, CodingKey {
            case `in`, nodes
            case valuesShown = "values_shown"
            case versions
        }

        public init(in: Bool, nodes: [ExplainedNode], valuesShown: Bool, versions: Versions? = nil) {
            self.in = `in`
            self.nodes = nodes
            self.valuesShown = valuesShown
            self.versions = versions
        }
    }
}

/// A node of a filter, for one user.
public struct ExplainedNode: Codable, Sendable, Equatable {
    public var path: String
    public var `in`: Bool
    /// Of an attribute: the user's value.
    public var value: RawJSON?
    /// Of an event or a purchase: what the node counts.
    public var activity: CountedActivity?
    /// Of a cohort.
    public var cohort: MembershipChange?

    public init(
        _ path: String, in: Bool, value: RawJSON? = nil, activity: CountedActivity? = nil,
        cohort: MembershipChange? = nil
    ) {
        self.path = path
        self.in = `in`
        self.value = value
        self.activity = activity
        self.cohort = cohort
    }
}

/// The events or purchases of a user that a filter counts.
public struct CountedActivity: Codable, Sendable, Equatable {
    public var count: Int
    /// Of purchases.
    public var totalSpent: Double?
    public var lastAt: Instant?

    enum CodingKeys: String, CodingKey {
        case count
        case totalSpent = "total_spent"
        case lastAt = "last_at"
    }

    public init(count: Int, totalSpent: Double? = nil, lastAt: Instant? = nil) {
        self.count = count
        self.totalSpent = totalSpent
        self.lastAt = lastAt
    }
}

/// The last change of a user's membership of a cohort.
public struct MembershipChange: Codable, Sendable, Equatable {
    public enum Change: String, Codable, Sendable, CaseIterable {
        case added, removed
        /// The user has never been a member.
        case none
        /// The log of changes no longer has it.
        case unknown
    }

    public enum Source: String, Codable, Sendable, CaseIterable {
        case `import`, merge
        /// The receipt is no longer stored.
        case unknown
    }

    public var change: Change
    public var version: Int64?
    public var changedAt: Instant?
    public var source: Source?
    public var keyID: String?
    public var requestID: Identifier?

    enum CodingKeys: String, CodingKey {
        case change, version
        case changedAt = "changed_at"
        case source
        case keyID = "key_id"
        case requestID = "request_id"
    }

    public init(
        _ change: Change, version: Int64? = nil, changedAt: Instant? = nil, source: Source? = nil,
        keyID: String? = nil, requestID: Identifier? = nil
    ) {
        self.change = change
        self.version = version
        self.changedAt = changedAt
        self.source = source
        self.keyID = keyID
        self.requestID = requestID
    }
}
