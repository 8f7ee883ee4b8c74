/// Renames aliases.
public struct UpdateAliases: RecordedCall {
    public static let method = "users.alias.update"
    public static let summary = "Renames aliases under their labels, in one transaction."
    public static let notes = """
        - `alias_updates`: up to 50, applied in order, each with `alias_label`, `old_alias_name` and `new_alias_name`. The user of the old alias gets the new one instead; the old one then matches no user.
        - `results` are in their order: `renamed`, `unchanged` (both names are the same), `unknown` (no user has the old alias), `taken` (a user has the new one) or `invalid` (the new one is not a valid alias: it is empty, has a control character or is over \(Limits.identifierBytes.described)). Only `renamed` changes anything.
        - `request_id`: optional; a repeat returns the recorded answer.
        """
    public static let example = (
        call: Self(
            aliasUpdates: [.init(label: "crm", oldName: "4711", newName: "4712")], requestID: "crm-migration"),
        reply: Reply(results: [.renamed])
    )
    public var aliasUpdates: [AliasUpdate]
    public var requestID: Identifier?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case aliasUpdates = "alias_updates"
        case requestID = "request_id"
    }

    public init(aliasUpdates: [AliasUpdate], requestID: Identifier? = nil) {
        self.aliasUpdates = aliasUpdates
        self.requestID = requestID
    }

    public struct Reply: Codable, Sendable, Equatable {
        public var results: [RenameOutcome]

        public init(results: [RenameOutcome]) {
            self.results = results
        }
    }
}

/// An alias and its new name.
public struct AliasUpdate: Codable, Sendable, Equatable {
    public var label: Identifier
    public var oldName: Identifier
    public var newName: Identifier

    enum CodingKeys: String, CodingKey, CaseIterable {
        case label = "alias_label"
        case oldName = "old_alias_name"
        case newName = "new_alias_name"
    }

    public init(label: Identifier, oldName: Identifier, newName: Identifier) {
        (self.label, self.oldName, self.newName) = (label, oldName, newName)
    }

    /// The alias before the renaming.
    public var old: Alias { Alias(label: label, name: oldName) }
    /// The alias after the renaming.
    public var new: Alias { Alias(label: label, name: newName) }
}

/// The outcome of renaming an identifier.
public enum RenameOutcome: String, Codable, Sendable, CaseIterable {
    case renamed, unchanged, unknown, taken, invalid
    /// A deprecated external id, which can't be renamed.
    case notPrimary = "not_primary"
}
