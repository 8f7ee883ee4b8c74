package import MusterProtocol

/// The users who have some external ids, and how renaming and removal change that.
package struct ExternalIDHolders {
    /// The user of each current external id.
    package private(set) var primary: [Identifier: UserNumber] = [:]
    private var deprecated: [Identifier: UserNumber] = [:]

    /// No external ids.
    package init() {}

    /// Adds what is stored.
    package mutating func add(_ id: Identifier, of user: UserNumber, isPrimary: Bool) {
        if isPrimary { primary[id] = user } else { deprecated[id] = user }
    }

    /// Gives a user another external id; the former one becomes deprecated.
    package mutating func rename(_ rename: ExternalIDRename) -> RenameOutcome {
        guard let user = primary[rename.current] else {
            return deprecated[rename.current] == nil ? .unknown : .notPrimary
        }
        if rename.current == rename.new { return .unchanged }
        if rename.new.problem() != nil { return .invalid }
        if primary[rename.new] != nil || deprecated[rename.new] != nil { return .taken }
        primary[rename.current] = nil
        (deprecated[rename.current], primary[rename.new]) = (user, user)
        return .renamed
    }

    /// Removes a deprecated external id.
    package mutating func remove(_ id: Identifier) -> RemovalOutcome {
        if deprecated.removeValue(forKey: id) != nil { return .removed }
        return primary[id] == nil ? .unknown : .notDeprecated
    }
}
