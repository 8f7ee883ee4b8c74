/// Gives users aliases, or makes users who have nothing but one.
public struct AddAliases: RecordedCall {
    public static let method = "users.alias.new"
    public static let summary =
        "Gives users aliases; an alias without an external id makes a user who has nothing else."
    public static let notes = """
        - `user_aliases`: up to 50, each an alias (`alias_label`, `alias_name`) and, optionally, the `external_id` of the user who gets it. An unknown `external_id` makes nobody: the entry is refused as `unknown`.
        - Without `external_id`: where nobody has the alias, a user is made who has nothing else.
        - A pair that another user has stays there (`taken`), and so does the user's other name under that label (`label_taken`). What can't be an identifier is `invalid`; see identifiers. More than 128 aliases a user are `too_many`.
        - `results` stand in the order of `user_aliases`: `created`, `updated` (the alias was added), `unchanged` (the user has it) or `refused`, with `reason` and `message`. `request_id`: optional; a repeat gets the recorded answer.
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

/// An alias to be given.
public struct NewAlias: Codable, Sendable, Equatable {
    /// Who gets it; nil: whoever has it, else a user who is made.
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
