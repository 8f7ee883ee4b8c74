import Locking
import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// Which set a cohort had when it was last looked at. A cohort that was deleted and made again has another one.
typealias CohortSets = BoundedCache<CohortKey, Int32>

struct CohortKey: Hashable, Sendable {
    let workspace: WorkspaceID
    let cohort: CohortReference
}

extension AudienceStore {
    /// One look, exact: what the statement saw is brought together with the cached sets. A set whose changes don't
    /// chain from the cached state is loaded afresh, and then the look is repeated, since the load saw a later moment
    /// than the look. What was loaded is held until then: the cache may be too small for it, or for all the sets of one
    /// look.
    func lookOnce(_ request: LookRequest) async throws -> Look {
        var loaded: [Int32: SetState] = [:]
        for _ in 0..<8 {
            let statement = statement(for: request, loaded: loaded)
            let startedAt = ContinuousClock.now
            let rows = try await read(statement.sql) { row in
                try LookRow(row, of: statement)
            }
            let assembly = LookAssembly(statement, rows)
            store.deprecating.withLock { deprecating in
                if assembly.hasDeprecatedIDs { deprecating.insert(workspace) } else { deprecating.remove(workspace) }
            }
            for (cohort, number) in assembly.sets {
                store.cohortSets.put(number, for: CohortKey(workspace: workspace, cohort: cohort), bytes: 64)
            }
            for (number, state) in assembly.advanced {
                cache.put(state, for: SetKey(workspace: workspace, number: number))
            }
            guard assembly.stale.isEmpty else {
                loaded.merge(try await reload(assembly.stale)) { $1 }
                continue
            }
            // The statement didn't look for former external ids, which the workspace has: the next one does.
            if assembly.mayHaveMissedUsers { continue }
            guard let look = assembly.look(startedAt: startedAt) else { continue }
            store.counts.workedOut(
                scans: statement.scannedNames.count,
                advances: statement.advances.count { $0.known.keys.allSatisfy { look.attributeSets[$0] != nil } })
            return look
        }
        throw ChangingTooFast()
    }

    private func statement(for request: LookRequest, loaded: [Int32: SetState]) -> LookStatement {
        let known = request.scope.cohorts.map { cohort -> (number: Int32, state: SetState)? in
            guard let number = store.cohortSets[CohortKey(workspace: workspace, cohort: cohort)],
                let state = loaded[number] ?? cache[SetKey(workspace: workspace, number: number)]
            else { return nil }
            return (number, state)
        }
        return LookStatement(
            workspace: workspace, cohorts: request.scope.cohorts, known: known,
            everyone: loaded[SetKey.everyone] ?? cache[.everyone(of: workspace)], segments: request.scope.segments,
            allSegments: request.scope.allSegments, users: request.users,
            wantsUserAttributes: !request.users.isEmpty && !request.scope.attributes.isEmpty,
            findsDeprecated: store.deprecating.withLock { $0.contains(workspace) },
            scans: Array(request.wanted.scans), advances: advances(of: request.wanted.advances),
            eventScans: Array(request.wanted.eventScans), userEvents: request.users.isEmpty ? [] : request.scope.events)
    }

    private func reload(_ numbers: [Int32]) async throws -> [Int32: SetState] {
        let states = try await readTransaction { transaction in
            try transaction.load(numbers)
        }
        for (number, state) in states { cache.replace(state, for: SetKey(workspace: workspace, number: number)) }
        return states
    }
}

/// The rows of a look, brought together with what was known before.
private struct LookAssembly {
    private let statement: LookStatement
    private var everyone: SetState?
    private var attributes: SetVersion?
    private var events: SetVersion?
    private var cohorts: [CohortReference: SetState?]
    private var definitions: [Identifier: FoundDefinition?]
    private var users: [FoundUser?]
    private var scans: [AttributeFilter: [UInt32]] = [:]
    private var advances: [Int: (changed: [UInt32], matches: [AttributeFilter: [UInt32]])] = [:]
    private var eventScans: [EventLeaf: EventScan] = [:]
    /// The sets of the cohorts that there are.
    private(set) var sets: [CohortReference: Int32] = [:]
    /// Sets that went on from what was known.
    private(set) var advanced: [Int32: SetState] = [:]
    /// Whether the workspace may have external ids that are deprecated.
    private(set) var hasDeprecatedIDs = false
    /// Sets that must be loaded.
    private(set) var stale: [Int32] = []

    private struct Seen {
        var number: Int32
        var at: SetVersion
        var changes: [SetChange]
    }

    init(_ statement: LookStatement, _ rows: [LookRow]) {
        self.statement = statement
        cohorts = Dictionary(statement.cohorts.map { ($0, nil) }) { first, _ in first }
        definitions = Dictionary(statement.segments.map { ($0.segmentID, nil) }) { first, _ in first }
        users = Array(repeating: nil, count: statement.users.count)
        for scan in statement.scans { scans[scan] = [] }
        for leaf in statement.eventScans { eventScans[leaf] = EventScan() }
        var seenEveryone: Seen?
        var seenCohorts: [Int: Seen] = [:]
        var eventsOfUsers: [Int: Set<EventLeaf>] = [:]
        for row in rows {
            switch row {
            case .head(SetKey.everyone, let at, let change, let has):
                Self.note(&seenEveryone, SetKey.everyone, at, change)
                hasDeprecatedIDs = has
            case .head(SetKey.attributes, let at, _, _): attributes = at
            case .head(_, let at, _, _): events = at
            case .cohort(let position, let number, let at, let change):
                Self.note(&seenCohorts[position], number, at, change)
            case .definition(let position, let version, let filter):
                definitions[statement.segments[position].segmentID] = .some(
                    FoundDefinition(version: version, name: nil, filter: filter))
            case .segment(let id, let version, let name):
                let filter = definitions[id]??.filter
                definitions[id] = .some(FoundDefinition(version: version, name: name, filter: filter))
            case .user(let place, let user):
                users[place] = FoundUser(
                    number: user.number, attributes: user.attributes, events: eventsOfUsers[place] ?? [])
            case .eventsOfUser(let place, let position):
                eventsOfUsers[place, default: []].insert(statement.userEvents[position])
                users[place]?.events = eventsOfUsers[place] ?? []
            case .eventScan(let position, let numbers, let earliest):
                eventScans[statement.eventScans[position], default: EventScan()].add(numbers, earliest)
            case .scan(_, let matches): for match in matches { scans[match.filter, default: []] += match.numbers }
            case .advance(let position, let changed, let matches):
                advances[position, default: ([], [:])].changed += changed
                for match in matches { advances[position]?.matches[match.filter, default: []] += match.numbers }
            }
        }
        if let seen = seenEveryone { everyone = settle(seen, from: statement.everyone) }
        for (position, seen) in seenCohorts {
            sets[statement.cohorts[position]] = seen.number
            let known = statement.known[position]
            if let state = settle(seen, from: known?.number == seen.number ? known?.state : nil) {
                cohorts[statement.cohorts[position]] = .some(state)
            }
        }
    }

    var mayHaveMissedUsers: Bool {
        guard hasDeprecatedIDs, !statement.findsDeprecated else { return false }
        return zip(statement.users, users).contains { $0.isExternalID && $1 == nil }
    }

    private static func note(_ seen: inout Seen?, _ number: Int32, _ at: SetVersion, _ change: SetChange?) {
        if seen == nil { seen = Seen(number: number, at: at, changes: []) }
        if let change { seen?.changes.append(change) }
    }

    private mutating func settle(_ seen: Seen, from known: SetState?) -> SetState? {
        if seen.at == .none { return .empty }
        let changes = seen.changes.sorted { $0.at.version < $1.at.version }
        guard let state = known?.applying(changes), state.at == seen.at else {
            stale.append(seen.number)
            return nil
        }
        if !changes.isEmpty { advanced[seen.number] = state }
        return state
    }

    /// The sets of attributes' tests that were worked out, whole or from where they were known.
    private var attributeSets: [AttributeFilter: MemberSet] {
        var sets = scans.mapValues { MemberSet($0) }
        for (position, advance) in advances {
            let changed = MemberSet(advance.changed)
            for (filter, known) in statement.advances[position].known {
                var members = known
                members.apply(added: MemberSet(advance.matches[filter] ?? []), removed: changed)
                sets[filter] = members
            }
        }
        return sets
    }

    func look(startedAt: ContinuousClock.Instant) -> Look? {
        guard let everyone, let attributes, let events else { return nil }
        return Look(
            startedAt: startedAt, now: statement.now, everyone: everyone, attributes: attributes, events: events,
            cohorts: cohorts,
            sets: sets,
            definitions: definitions, users: users,
            attributeSets: attributeSets.mapValues { MemberSetAtVersion(at: attributes, members: $0) },
            eventScans: Dictionary(
                uniqueKeysWithValues: eventScans.map { leaf, scan in
                    (leaf, scan.members(of: leaf, at: events, statement.now))
                }))
    }
}

/// What the rows of a scan of events came to.
private struct EventScan {
    private var numbers: [UInt32] = []
    private var earliest = Instant.latest

    mutating func add(_ more: [UInt32], _ time: Instant) {
        numbers += more
        earliest = min(earliest, time)
    }

    /// A window of the last days only ever leaves events behind, the earliest first; new ones raise the head.
    func members(of leaf: EventLeaf, at version: SetVersion, _ now: Instant) -> MemberSetAtVersion {
        var members = MemberSetAtVersion(at: version, members: MemberSet(numbers))
        if let days = leaf.withinDays { members.holds = (now, earliest + .days(days)) }
        return members
    }
}
