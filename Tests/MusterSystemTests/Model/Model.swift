import MusterClient
import MusterProtocol

/// A user in the model. Ids ascend in the order of creation, as user numbers do.
struct ModelUser {
    var externalID: Identifier?
    var aliases: [Identifier: Identifier] = [:]
    var devices: Set<Identifier> = []
    var attributes: [String: AttributeValue] = [:]

    /// The user in a listing.
    var member: Member {
        if let externalID { return Member(externalID: externalID) }
        if let label = aliases.keys.min(), let name = aliases[label] {
            return Member(aliases: [Alias(label: label, name: name)])
        }
        return Member(deviceIDs: devices.min().map { [$0] })
    }

    var references: [UserReference] {
        [externalID.map(UserReference.externalID)].compactMap(\.self)
            + aliases.map { .alias(Alias(label: $0.key, name: $0.value)) } + devices.map(UserReference.deviceID)
    }
}

/// A cohort with the set at each of its versions.
struct ModelCohort {
    struct Import {
        var requestID: Identifier?
        var size: Int
        var outcomes: [Outcome]
    }

    /// Counts the cohorts with this id: one that was deleted and created again is another one.
    var generation: Int
    var name: String
    var states: [Set<Int>] = [[]]
    var imports: [Int: Import] = [:]

    var version: Int { states.count - 1 }
    var members: Set<Int> { states[states.count - 1] }
}

struct ModelSegment {
    var filter: Filter
    var version: Int64
}

/// The expected behaviour, computed with dictionaries and sets, one operation at a time.
struct Model {
    private(set) var users: [Int: ModelUser] = [:]
    private(set) var holders: [UserReference: Int] = [:]
    /// The kept user of each merged one.
    private(set) var kept: [Int: Int] = [:]
    private(set) var everyone: [Set<Int>] = [[]]
    var cohorts: [Identifier: ModelCohort] = [:]
    var segments: [Identifier: ModelSegment] = [:]
    /// The highest version of any segment with an id: a later one means another filter.
    var highestVersions: [Identifier: Int64] = [:]
    private var nextUser = 0
    private var generations = 0

    func user(_ reference: UserReference) -> Int? { holders[reference] }

    mutating func makeCohort(_ id: Identifier, name: String) {
        generations += 1
        cohorts[id] = ModelCohort(generation: generations, name: name)
    }

    // MARK: Users

    mutating func upsert(_ entries: [UserEntry]) -> [UpsertResult.Outcome] {
        let before = users.count
        let outcomes = entries.map { upsert($0) }
        if users.count > before { everyone.append(Set(users.keys)) }
        return outcomes
    }

    private mutating func upsert(_ entry: UserEntry) -> UpsertResult.Outcome {
        let references =
            [entry.externalID.map(UserReference.externalID)].compactMap(\.self)
            + (entry.aliases ?? []).map(UserReference.alias) + (entry.deviceIDs ?? []).map(UserReference.deviceID)
        guard let first = references.first else { return .refused }
        let holder = holders[first]
        var user = holder.flatMap { users[$0] } ?? ModelUser()
        let before = user
        for reference in references {
            if let other = holders[reference] {
                if other == holder { continue }
                return .refused
            }
            switch reference {
            case .externalID(let id): user.externalID = id
            case .alias(let alias):
                if user.aliases[alias.label] == alias.name { continue }
                guard user.aliases[alias.label] == nil else { return .refused }
                user.aliases[alias.label] = alias.name
            case .deviceID(let id): user.devices.insert(id)
            case .brazeID, .email, .phone: break
            }
        }
        for attribute in entry.attributes?.entries ?? [] {
            let name = String(decoding: attribute.name, as: UTF8.self)
            user.attributes[name] = attribute.value == .null ? nil : attribute.value
        }
        let number = holder ?? nextUser
        if holder == nil { nextUser += 1 }
        users[number] = user
        for reference in user.references { holders[reference] = number }
        if holder == nil { return .created }
        let same =
            user.attributes == before.attributes && user.aliases == before.aliases && user.devices == before.devices
        return same ? .unchanged : .updated
    }

    enum Refusal: Error, Equatable {
        case code(RPCCode)
    }

    mutating func identify(_ user: UserReference, as externalID: Identifier) throws(Refusal) -> IdentifyOutcome {
        guard let number = holders[user] else { throw .code(.notFound) }
        let holder = holders[.externalID(externalID)]
        if holder == number { return .unchanged }
        guard users[number]?.externalID == nil else { throw .code(.failedPrecondition) }
        if let holder {
            join(number, into: holder)
            return .merged
        }
        users[number]?.externalID = externalID
        holders[.externalID(externalID)] = number
        return .identified
    }

    /// The number of cohorts that changed.
    mutating func merge(_ merged: UserReference, into keep: UserReference) throws(Refusal) -> Int {
        guard let merged = holders[merged], let keep = holders[keep] else { throw .code(.notFound) }
        guard merged != keep else { throw .code(.invalidArgument) }
        return join(merged, into: keep)
    }

    @discardableResult
    private mutating func join(_ merged: Int, into keep: Int) -> Int {
        guard let gone = users.removeValue(forKey: merged), var user = users[keep] else { return 0 }
        for reference in gone.references { holders[reference] = nil }
        user.aliases.merge(gone.aliases) { own, _ in own }
        user.devices.formUnion(gone.devices)
        user.attributes.merge(gone.attributes) { own, _ in own }
        users[keep] = user
        for reference in user.references { holders[reference] = keep }
        for (number, _) in kept.filter({ $0.value == merged }) { kept[number] = keep }
        kept[merged] = keep
        return rewrite(removing: [merged], adding: keep)
    }

    mutating func delete(_ references: [UserReference]) -> DeleteUsers.Reply {
        let found = references.map { holders[$0] }
        let gone = Set(found.compactMap(\.self))
        for number in gone {
            for reference in users.removeValue(forKey: number)?.references ?? [] { holders[reference] = nil }
        }
        if !gone.isEmpty { rewrite(removing: gone, adding: nil) }
        return .init(deleted: gone.count, unknown: found.count { $0 == nil })
    }

    @discardableResult
    private mutating func rewrite(removing gone: Set<Int>, adding keep: Int?) -> Int {
        everyone.append(Set(users.keys))
        var changed = 0
        for (id, cohort) in cohorts where !cohort.members.isDisjoint(with: gone) {
            cohorts[id]?.states.append(cohort.members.subtracting(gone).union(keep.map { [$0] } ?? []))
            changed += 1
        }
        return changed
    }

    // MARK: Imports

    /// The outcome of each identifier of an import, which creates a missing cohort.
    mutating func importCohort(_ call: ImportCohort) -> [Outcome] {
        let positions = call.changes.flatMap { change in
            resolutions(of: change).map { (found: $0, removes: change.shouldRemove) }
        }
        if cohorts[call.cohortID] == nil { makeCohort(call.cohortID, name: call.cohortID.text) }
        let before = cohorts[call.cohortID]?.members ?? []
        var after = before
        var decided: Set<Int> = []
        var outcomes: [Outcome] = []
        for position in positions.reversed() {
            switch position.found {
            case .failure(let outcome): outcomes.append(outcome.outcome)
            case .success(let user):
                guard decided.insert(user).inserted else {
                    outcomes.append(.repeated)
                    continue
                }
                if position.removes {
                    outcomes.append(after.remove(user) == nil ? .unchanged : .removed)
                } else {
                    outcomes.append(after.insert(user).inserted ? .added : .unchanged)
                }
            }
        }
        outcomes.reverse()
        cohorts[call.cohortID]?.states.append(after)
        let version = cohorts[call.cohortID]?.version ?? 0
        cohorts[call.cohortID]?.imports[version] = .init(
            requestID: call.requestID, size: after.count, outcomes: outcomes)
        return outcomes
    }

    private struct NoUser: Error {
        var outcome: Outcome
    }

    private func resolutions(of change: CohortChange) -> [Result<Int, NoUser>] {
        func found(_ reference: UserReference, _ isValid: Bool) -> Result<Int, NoUser> {
            guard isValid else { return .failure(NoUser(outcome: .invalid)) }
            return holders[reference].map { .success($0) } ?? .failure(NoUser(outcome: .unknown))
        }
        let byID = change.userIDs.map { found(.externalID($0), $0.validity == .valid) }
        let byDevice = change.deviceIDs.map { id in
            found(.deviceID(id), id.validity == .valid).flatMap { user in
                users[user]?.externalID == nil ? .success(user) : .failure(NoUser(outcome: .identifiedDevice))
            }
        }
        let byAlias = change.aliases.map { alias in
            found(
                .alias(alias),
                alias.label.validity == .valid && alias.name.validity == .valid && alias.label.bytes.count <= 256)
        }
        return byID + byDevice + byAlias
    }
}
