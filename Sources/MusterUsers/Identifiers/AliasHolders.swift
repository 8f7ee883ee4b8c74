package import MusterProtocol

/// The users who have some aliases, and how renaming changes that.
package struct AliasHolders {
    private var holders: [Alias: UserNumber] = [:]

    /// What the look-up of aliases finds; nil: nobody.
    package init(_ aliases: [Alias], _ found: [UserNumber?]) {
        for (alias, number) in zip(aliases, found) { holders[alias] = number }
    }

    /// The user who has an alias.
    package subscript(_ alias: Alias) -> UserNumber? { holders[alias] }

    /// Gives an alias another label and name.
    package mutating func rename(_ update: AliasUpdate) -> RenameOutcome {
        guard let user = self[update.old] else { return .unknown }
        if update.old == update.new { return .unchanged }
        if update.new.problem != nil { return .invalid }
        if self[update.new] != nil { return .taken }
        holders[update.old] = nil
        holders[update.new] = user
        return .renamed
    }
}
