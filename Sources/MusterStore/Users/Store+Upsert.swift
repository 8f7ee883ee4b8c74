public import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

extension Store {
    /// Registers users and updates them, in one transaction.
    public func upsert(
        _ users: [UserEntry], request: IdempotencyKey, in workspace: WorkspaceID, deadline: ContinuousClock.Instant
    ) async throws -> UpsertUsers.Reply {
        let batch = UpsertBatch(users.map { ValidatedEntry($0) })
        let cache = cache
        return try await recorded(request, in: workspace, deadline: deadline) { connection in
            try connection.upsert(batch, in: workspace, cache: cache)
        }
    }
}

extension WorkspaceTransaction {
    borrowing func upsert(
        _ batch: UpsertBatch, in workspace: WorkspaceID, cache: SetCache
    ) throws -> WriteResult<UpsertUsers.Reply> {
        let (found, everyone) = try findToWrite(
            batch.identifiers, locksFirst: false, changesAttributes: batch.hasAttributes, in: workspace)
        let (users, holders) = try plannedUsers(
            of: batch.entries.filter { $0.refusal == nil }, found, needsKind: false, in: workspace)
        let plan = try UpsertPlan(batch.entries, users: users, holders: holders)
        return WriteResult(
            reply: UpsertUsers.Reply(results: plan.results),
            sets: try write(plan.users, under: everyone, in: workspace, cache: cache).sets)
    }

    /// Looks identifiers up, those that are to be added too, under the locks that writing needs.
    ///
    /// Locks: identity, shared; the head of everyone where an identifier is new; the head of attributes where anything can
    /// change. Who writes a user's row holds either that head or the identity row alone, so the rows need no order of their own.
    ///
    /// - Parameter locksFirst: takes all of them before it looks: whom an attribute finds holds only under the head of attributes.
    borrowing func findToWrite(
        _ identifiers: [UserReference], locksFirst: Bool, changesAttributes: Bool, in workspace: WorkspaceID
    ) throws -> (found: UpsertFindings, everyone: LockedHead?) {
        try shareIdentity(in: workspace)
        var everyone: LockedHead?
        if locksFirst {
            everyone = try lockHead(.everyone(of: workspace))
            try lockAttributes(in: workspace)
        }
        var found = UpsertFindings(identifiers, try find(identifiers, in: workspace))
        if !locksFirst, !found.unknown.isEmpty {
            everyone = try lockHead(.everyone(of: workspace))
            // Another batch may have added some of them while this one waited. Those that were known can't have gone.
            let unknown = found.unknown
            found.add(unknown, try find(unknown, in: workspace))
        }
        if !locksFirst, everyone != nil || changesAttributes { try lockAttributes(in: workspace) }
        return (found, everyone)
    }

    private borrowing func lockAttributes(in workspace: WorkspaceID) throws {
        guard try lockHead(SetKey(workspace: workspace, number: SetKey.attributes)) != nil else {
            throw UnfinishedWorkspace()
        }
    }

    /// The stored users that entries mean, with as much of them as the entries touch.
    ///
    /// - Parameter needsKind: whether it matters who is identified.
    borrowing func plannedUsers(
        of entries: [some BatchEntry], _ found: UpsertFindings, needsKind: Bool, in workspace: WorkspaceID
    ) throws -> (users: [PlannedUser], holders: [UserReference: Int]) {
        let wanted = FieldsToRead(entries, found)
        let attributes = try attributes(of: Array(wanted.attributes), in: workspace)
        let labels = try aliasLabels(of: Array(wanted.labels), in: workspace)
        let devices = try deviceCounts(of: Array(wanted.devices), in: workspace)
        let numbers = Array(wanted.users)
        let identified = try needsKind ? identified(among: numbers, in: workspace) : []
        let users = try numbers.map { number in
            PlannedUser(
                number: number, attributes: try attributes[number].map { try Attributes(stored: $0).byName } ?? [:],
                labels: labels[number] ?? [], deviceCount: devices[number] ?? 0,
                hasExternalID: identified.contains(number))
        }
        let places = Dictionary(uniqueKeysWithValues: zip(numbers, 0...))
        return (users, found.numbers.mapValues { places[$0] ?? UpsertPlan.somebodyElse })
    }
}
