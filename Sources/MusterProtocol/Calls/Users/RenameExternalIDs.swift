/// Renames external ids.
public struct RenameExternalIDs: RecordedCall {
    public static let method = "users.external_ids.rename"
    public static let summary = "Renames external ids of users; the former ones become deprecated and still find them."
    public static let notes = """
        - `external_id_renames`: 1 to 50, applied in order, each with `current_external_id` and `new_external_id`. The current one becomes *deprecated*: until `users.external_ids.remove` it still finds its user, also in imports, and no other user can get it.
        - `results` are in their order: `renamed`, `unchanged` (both are the same), `unknown` (no user has the current one), `not_primary` (it is deprecated itself), `taken` (the new one is in use, deprecated or not) or `invalid` (the new one is not a valid identifier: it is empty, has a control character or is over \(Limits.identifierBytes.described)). Only `renamed` changes anything.
        - `request_id`: optional; a repeat returns the recorded answer.
        """
    public static let example = (
        call: Self(renames: [.init(current: "u-7", new: "customer-7")], requestID: "ids-2027"),
        reply: Reply(results: [.renamed])
    )
    public var renames: [ExternalIDRename]
    public var requestID: Identifier?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case renames = "external_id_renames"
        case requestID = "request_id"
    }

    public init(renames: [ExternalIDRename], requestID: Identifier? = nil) {
        self.renames = renames
        self.requestID = requestID
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var results: [RenameOutcome]

        public init(results: [RenameOutcome]) {
            self.results = results
        }
    }
}

/// An external id and its replacement.
public struct ExternalIDRename: Codable, Sendable, Equatable {
    public var current: Identifier
    public var new: Identifier

    enum CodingKeys: String, CodingKey, CaseIterable {
        case current = "current_external_id"
        case new = "new_external_id"
    }

    public init(current: Identifier, new: Identifier) {
        (self.current, self.new) = (current, new)
    }
}
