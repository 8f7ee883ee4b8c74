import MusterProtocol

/// What a batch does: its entries are applied in memory, in order, each on what those before it left; then the differences are
/// written at once. It knows no database.
struct UpsertPlan {
    private(set) var users: [PlannedUser]
    private(set) var results: [UpsertResult] = []
    private var holders: [UserReference: Int]

    /// In the place of a user whom no entry of the batch means.
    static let somebodyElse = -1

    /// - Parameters:
    ///   - users: the stored users that entries mean.
    ///   - holders: whose each identifier of the batch is: an index in `users`, or `somebodyElse`.
    init(_ entries: [ValidatedEntry], users: [PlannedUser], holders: [UserReference: Int]) throws {
        self.users = users
        self.holders = holders
        results.reserveCapacity(entries.count)
        for entry in entries { results.append(try apply(entry)) }
    }

    /// All of an entry or nothing: the user is worked on in a copy.
    private mutating func apply(_ entry: ValidatedEntry) throws -> UpsertResult {
        if let refusal = entry.refusal { return refusal }
        let index = holders[entry.meant]
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
