package import MusterProtocol

/// What a batch changes. Entries are applied in memory, in order, each to the result of those before it; the store then
/// writes the differences at once.
package struct UpsertPlan {
    package private(set) var users: [PlannedUser]
    package private(set) var results: [UpsertResult] = []
    private var holders: [UserReference: Int]

    /// Stands for the index of a user whom no entry of the batch names.
    package static let somebodyElse = -1

    /// - Parameters:
    ///   - users: the stored users that entries name.
    ///   - holders: who has each identifier of the batch: an index in `users`, or `somebodyElse`.
    package init(_ entries: [ValidatedEntry], users: [PlannedUser], holders: [UserReference: Int]) throws {
        self.users = users
        self.holders = holders
        results.reserveCapacity(entries.count)
        for entry in entries { results.append(try apply(entry)) }
    }

    /// Applies all of an entry or nothing: the changes are made to a copy of the user.
    private mutating func apply(_ entry: ValidatedEntry) throws -> UpsertResult {
        if let refusal = entry.refusal { return refusal }
        let index = holders[entry.user]
        if index == nil, !entry.makesUser { return .refused(.unknown, "\(entry.part(0)) finds nobody") }
        var user = index.map { users[$0] } ?? PlannedUser()
        var added: [UserReference] = []
        for (position, identifier) in entry.identifiers.enumerated() {
            if let holder = holders[identifier] {
                if holder == index { continue }
                return .refused(.taken, "\(entry.part(position)) belongs to another user")
            }
            if let refusal = user.add(identifier) {
                return .refused(refusal.reason, "\(entry.part(position)): \(refusal.problem)")
            }
            added.append(identifier)
        }
        let attributesChanged: Bool
        do { attributesChanged = try user.merge(entry.attributes) } catch UserRefusal.tooMany(let limit) {
            return .refused(.tooMany, "attributes: \(PlannedUser.tooMany(limit))")
        }
        keep(user, at: index ?? users.count, added)
        guard index != nil else { return UpsertResult(.created) }
        return UpsertResult(attributesChanged || !added.isEmpty ? .updated : .unchanged)
    }

    private mutating func keep(_ user: PlannedUser, at index: Int, _ added: [UserReference]) {
        if index == users.count { users.append(user) } else { users[index] = user }
        for identifier in added { holders[identifier] = index }
    }
}
