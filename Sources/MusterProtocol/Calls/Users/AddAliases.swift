/// Adds aliases to users, or creates users with only an alias.
public struct AddAliases: RecordedCall {
    public static let method = "users.alias.new"
    public static let summary =
        "Adds aliases to users; an alias without an external id creates a user who has nothing else."
    public static let notes = """
        - `user_aliases`: up to 50, each an alias (`alias_label`, `alias_name`) and, optionally, the `external_id` of the user who gets it. An unknown `external_id` creates no user: the entry is refused as `unknown`.
        - Without `external_id`: if no user has the alias, a user with only this alias is created.
        - An alias of another user is not moved (`taken`), and the user's other name under that label is not replaced (`label_taken`). An invalid identifier is `invalid`; see identifiers. More than 128 aliases per user are `too_many`.
        - `results` are in the order of `user_aliases`: `created`, `updated` (the alias was added), `unchanged` (the user has it) or `refused`, with `reason` and `message`. `request_id`: optional; a repeat returns the recorded answer.
        """
    public static let example = (
        call: Self(
            userAliases: [
                .init(externalID: "u-1", label: "crm", name: "4711"), .init(label: "visitor", name: "v-90"),
            ], requestID: "aliases-1"),
        reply: Reply(results: [.init(.updated), .init(.created)])
    )
    public var userAliases: [NewAlias]
    public var requestID: Identifier?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case userAliases = "user_aliases"
        case requestID = "request_id"
    }

    public init(userAliases: [NewAlias], requestID: Identifier? = nil) {
        self.userAliases = userAliases
        self.requestID = requestID
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var results: [UpsertResult]

        public init(results: [UpsertResult]) {
            self.results = results
        }
    }
}

/// An alias to add.
public struct NewAlias: Codable, Sendable, Equatable {
    /// The user who gets it; nil: the user who has it, else a new user.
    public var externalID: Identifier?
    public var label: Identifier
    public var name: Identifier

    enum CodingKeys: String, CodingKey, CaseIterable {
        case externalID = "external_id"
        case label = "alias_label"
        case name = "alias_name"
    }

    public init(externalID: Identifier? = nil, label: Identifier, name: Identifier) {
        (self.externalID, self.label, self.name) = (externalID, label, name)
    }
}
