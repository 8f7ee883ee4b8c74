package import MusterProtocol

/// Validated entries, and their identifiers without repetitions.
package struct UpsertBatch: Sendable {
    package let entries: [ValidatedEntry]
    package let identifiers: [UserReference]

    /// A batch of entries, in the order of the call.
    package init(_ entries: [ValidatedEntry]) {
        self.entries = entries
        identifiers = Array(Set(entries.lazy.filter { $0.refusal == nil }.flatMap(\.identifiers)))
    }

    /// Whether an entry that is valid has attributes.
    package var hasAttributes: Bool { entries.contains { $0.refusal == nil && !$0.attributes.isEmpty } }
}

/// An entry of a batch that names a user and may add identifiers and attributes.
package protocol BatchEntry {
    /// Names the user.
    var user: UserReference { get }
    /// Identifiers that the user gets.
    var otherIdentifiers: [UserReference] { get }
    /// Whether it needs the attributes that are stored.
    var touchesAttributes: Bool { get }
}

extension ValidatedEntry: BatchEntry {
    package var user: UserReference { identifiers[0] }
    package var otherIdentifiers: [UserReference] { Array(identifiers.dropFirst()) }
    package var touchesAttributes: Bool { !attributes.isEmpty }
}
