package import MusterProtocol

/// Which user has each identifier of a batch.
package struct UpsertFindings {
    package private(set) var numbers: [UserReference: UserNumber] = [:]
    package private(set) var unknown: [UserReference] = []

    /// What the look-up of identifiers finds; nil: nobody.
    package init(_ identifiers: [UserReference], _ found: [UserNumber?]) {
        numbers.reserveCapacity(identifiers.count)
        add(identifiers, found)
    }

    /// Adds what a further look-up finds; `unknown` are those of this one alone.
    package mutating func add(_ identifiers: [UserReference], _ found: [UserNumber?]) {
        unknown = []
        for (identifier, number) in zip(identifiers, found) {
            if let number { numbers[identifier] = number } else { unknown.append(identifier) }
        }
    }
}

/// The stored users that entries name, and those whose attributes, alias labels or devices must be read.
package struct FieldsToRead {
    package private(set) var users: Set<UserNumber> = []
    package private(set) var attributes: Set<UserNumber> = []
    package private(set) var labels: Set<UserNumber> = []
    package private(set) var devices: Set<UserNumber> = []

    /// What a plan for these entries needs.
    package init(_ entries: [some BatchEntry], _ found: UpsertFindings) {
        // A later entry may name a stored user by an identifier that an earlier entry adds. An identifier may have
        // several candidates, since an entry that adds it may be refused.
        var given: [UserReference: Set<UserNumber>] = [:]
        for entry in entries {
            for number in found.numbers[entry.user].map({ [$0] }) ?? given[entry.user] ?? [] {
                users.insert(number)
                if entry.touchesAttributes { attributes.insert(number) }
                for identifier in entry.otherIdentifiers where found.numbers[identifier] == nil {
                    given[identifier, default: []].insert(number)
                    if identifier.isDevice { devices.insert(number) } else { labels.insert(number) }
                }
            }
        }
    }
}
