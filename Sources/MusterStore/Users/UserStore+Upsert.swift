public import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

extension UserStore {
    /// Creates and updates users in one transaction.
    public func upsert(
        _ users: [UserEntry], request: IdempotencyKey
    ) async throws -> UpsertUsers.Reply {
        let batch = UpsertBatch(users.map { ValidatedEntry($0) })
        let (cache, keys) = (store.cache, store.digestKeys)
        return try await withIdempotency(request) { transaction in
            try transaction.upsert(batch, cache: cache, keys: keys)
        }
    }
}

extension WorkspaceTransaction {
    borrowing func upsert(
        _ batch: UpsertBatch, cache: SetCache, keys: IdentifierDigestKeys
    ) throws -> WriteResult<UpsertUsers.Reply> {
        let (found, everyone) = try findToWrite(
            batch.identifiers, locksFirst: false, changesAttributes: batch.hasAttributes)
        let (users, holders) = try plannedUsers(
            of: batch.entries.filter { $0.refusal == nil }, found, needsKind: false)
        let plan = try UpsertPlan(batch.entries, users: users, holders: holders)
        let written = try write(plan.users, under: everyone, cache: cache)
        try raiseIdentifiers(written.identifiers, under: everyone, keys: keys)
        return WriteResult(reply: UpsertUsers.Reply(results: plan.results), sets: written.sets)
    }

    /// Looks up the identifiers of a batch under the locks that writing needs.
    ///
    /// Locks, in this order: the head of identity, shared; the head of everyone if an identifier is new; the head of
    /// attributes if anything can change. Every writer of a user's row holds that last head, or the head of
    /// identity exclusively, so rows need no lock order of their own.
    ///
    /// - Parameter locksFirst: takes all locks before the look-up. The user that an attribute matches is stable only
    ///   under the head of attributes.
    borrowing func findToWrite(
        _ identifiers: [UserReference], locksFirst: Bool, changesAttributes: Bool
    ) throws -> (found: UpsertFindings, everyone: LockedHead?) {
        try shareIdentity()
        var everyone: LockedHead?
        if locksFirst {
            everyone = try lockHead(.everyone(of: workspace))
            try lockAttributes()
        }
        var found = UpsertFindings(identifiers, try find(identifiers))
        if !locksFirst, !found.unknown.isEmpty {
            everyone = try lockHead(.everyone(of: workspace))
            // Another batch may have added some while this one waited. The known ones can't have been removed.
            let unknown = found.unknown
            found.add(unknown, try find(unknown))
        }
        if !locksFirst, everyone != nil || changesAttributes { try lockAttributes() }
        return (found, everyone)
    }

    private borrowing func lockAttributes() throws {
        guard try lockHead(SetKey(workspace: workspace, number: SetKey.attributes)) != nil else {
            throw UnfinishedWorkspace()
        }
    }

    /// The stored users that entries name, with the fields that the entries change.
    ///
    /// - Parameter needsKind: whether the plan needs to know which users have an external id.
    borrowing func plannedUsers(
        of entries: [some BatchEntry], _ found: UpsertFindings, needsKind: Bool
    ) throws -> (users: [PlannedUser], holders: [UserReference: Int]) {
        let wanted = FieldsToRead(entries, found)
        let attributes = try attributes(of: Array(wanted.attributes))
        let labels = try aliasLabels(of: Array(wanted.labels))
        let devices = try deviceCounts(of: Array(wanted.devices))
        let numbers = Array(wanted.users)
        let identified = try needsKind ? identified(among: numbers) : []
        let users = try numbers.map { number in
            PlannedUser(
                number: number, attributes: try attributes[number].map { try Attributes(stored: $0).byName } ?? [:],
                labels: labels[number] ?? [], deviceCount: devices[number] ?? 0,
                hasExternalID: identified.contains(number))
        }
        let indices = Dictionary(uniqueKeysWithValues: zip(numbers, 0...))
        return (users, found.numbers.mapValues { indices[$0] ?? UpsertPlan.somebodyElse })
    }
}
