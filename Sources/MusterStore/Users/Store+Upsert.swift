public import MusterProtocol
import MusterSets
import Postgres

extension Store {
    /// Registers users and updates them, in one transaction.
    public func upsert(
        _ users: [UserEntry], request: RequestKey, in workspace: WorkspaceID, deadline: ContinuousClock.Instant
    ) async throws -> UpsertUsers.Reply {
        let batch = UpsertBatch(users)
        let cache = cache
        return try await recorded(request, in: workspace, deadline: deadline) { connection in
            try connection.upsert(batch, in: workspace, cache: cache)
        }
    }
}

/// The entries of a batch, and all different identifiers in them.
struct UpsertBatch: Sendable {
    let entries: [JudgedEntry]
    let identifiers: [UserReference]

    init(_ users: [UserEntry]) {
        entries = users.map(JudgedEntry.init)
        identifiers = Array(Set(entries.lazy.filter { $0.refusal == nil }.flatMap(\.identifiers)))
    }

    var hasAttributes: Bool { entries.contains { $0.refusal == nil && !$0.attributes.isEmpty } }
}

extension Connection {
    /// Locks: identity, shared; the head of everyone where an identifier is new; the head of attributes where anything can
    /// change. Who writes a user's row holds either that head or the identity row alone, so the rows need no order of their own.
    fileprivate borrowing func upsert(
        _ batch: UpsertBatch, in workspace: WorkspaceID, cache: SetCache
    ) throws -> Written<UpsertUsers.Reply> {
        try shareIdentity(in: workspace)
        var found = UpsertFindings(batch.identifiers, try find(batch.identifiers, in: workspace))
        var everyone: LockedHead?
        if !found.unknown.isEmpty {
            everyone = try lockHead(.everyone(of: workspace))
            // Another batch may have added some of them while this one waited. Those that were known can't have gone.
            let unknown = found.unknown
            found.add(unknown, try find(unknown, in: workspace))
        }
        if everyone != nil || batch.hasAttributes {
            guard try lockHead(SetKey(workspace: workspace, number: SetKey.attributes)) != nil else {
                throw UnfinishedWorkspace()
            }
        }
        let (users, holders) = try plannedUsers(of: batch, found, in: workspace)
        let plan = try UpsertPlan(batch.entries, users: users, holders: holders)
        return Written(
            reply: UpsertUsers.Reply(results: plan.results),
            sets: try write(plan, under: everyone, in: workspace, cache: cache))
    }

    /// The stored users that entries mean, with as much of them as the entries touch.
    private borrowing func plannedUsers(
        of batch: UpsertBatch, _ found: UpsertFindings, in workspace: WorkspaceID
    ) throws -> (users: [PlannedUser], holders: [UserReference: Int]) {
        let wanted = WantedFields(batch.entries, found)
        let attributes = try attributes(of: Array(wanted.attributes), in: workspace)
        let labels = try aliasLabels(of: Array(wanted.labels), in: workspace)
        let devices = try deviceCounts(of: Array(wanted.devices), in: workspace)
        let numbers = Array(wanted.users)
        let users = try numbers.map { number in
            PlannedUser(
                number: number, attributes: try attributes[number].map { try Attributes(stored: $0).byName } ?? [:],
                labels: labels[number] ?? [], deviceCount: devices[number] ?? 0)
        }
        let places = Dictionary(uniqueKeysWithValues: zip(numbers, 0...))
        return (users, found.numbers.mapValues { places[$0] ?? UpsertPlan.somebodyElse })
    }
}

/// Whose the identifiers of a batch are.
struct UpsertFindings {
    private(set) var numbers: [UserReference: Int32] = [:]
    private(set) var unknown: [UserReference] = []

    init(_ identifiers: [UserReference], _ found: [Int32?]) {
        numbers.reserveCapacity(identifiers.count)
        add(identifiers, found)
    }

    mutating func add(_ identifiers: [UserReference], _ found: [Int32?]) {
        unknown = []
        for (identifier, number) in zip(identifiers, found) {
            if let number { numbers[identifier] = number } else { unknown.append(identifier) }
        }
    }
}

/// Which stored users the entries mean, and what of them must be read.
private struct WantedFields {
    var users: Set<Int32> = []
    var attributes: Set<Int32> = []
    var labels: Set<Int32> = []
    var devices: Set<Int32> = []

    init(_ entries: [JudgedEntry], _ found: UpsertFindings) {
        for entry in entries where entry.refusal == nil {
            guard let number = found.numbers[entry.meant] else { continue }
            users.insert(number)
            if !entry.attributes.isEmpty { attributes.insert(number) }
            for identifier in entry.identifiers where found.numbers[identifier] == nil {
                if identifier.isDevice { devices.insert(number) } else { labels.insert(number) }
            }
        }
    }
}
