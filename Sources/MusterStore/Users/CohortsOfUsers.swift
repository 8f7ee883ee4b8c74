import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// Finds and changes the cohorts that contain any of some users. The caller holds the head of identity exclusively.
/// Every writer of sets shares that row, so no head moves meanwhile.
extension WorkspaceTransaction {
    /// Removes users from everyone and from every cohort, and adds `kept`, if any, to the cohorts that had them. The
    /// caller holds everyone's head. Raises the heads of attributes, events and identifiers before it locks those of
    /// cohorts.
    borrowing func remove(
        _ gone: MemberSet, keeping kept: UserNumber?, from everyone: LockedHead, raisingAttributes: Bool,
        raisingEvents: Bool, identifiers: IdentifierChanges, at now: Instant, cache: SetCache,
        keys: IdentifierDigestKeys
    ) throws -> RemovalResult {
        var left = RemovalResult()
        left.known[everyone.set] = try append(
            added: [], removed: gone, to: everyone, state: try state(of: everyone, cache: cache), at: now)
        let touched = gone.union(kept.map { [$0.rawValue] } ?? [])
        if raisingAttributes { try raiseAttributes(of: touched.users) }
        if raisingEvents { try raiseEvents() }
        try raiseIdentifiers(identifiers, under: everyone, keys: keys)
        let cohorts = try cohorts(
            having: gone, of: touched, amongNumbers: Int(everyone.nextUserNumber?.rawValue ?? .max),
            cache: cache)
        var changes: [NewChange] = []
        for (head, size) in try lockHeads(cohorts.keys.sorted()) {
            guard let membership = cohorts[head.set.number], membership.at == head.at else {
                throw DamagedSet(set: head.set, what: "its head moved while the workspace's identities were held")
            }
            let added: MemberSet =
                kept.map { membership.members.contains($0.rawValue) ? [] : [$0.rawValue] } ?? []
            let change = NewChange(added: added, removed: membership.members.intersection(gone), to: head, size: size)
            changes.append(change)
            left.known[head.set] = membership.whole?.applying(change)
        }
        try append(changes, at: now)
        left.cohorts = changes.count
        return left
    }

    private borrowing func lockHeads(_ numbers: [Int32]) throws -> [(head: LockedHead, size: Int64)] {
        guard !numbers.isEmpty else { return [] }
        return try query(
            """
            SELECT set_number, version, tag, size FROM set_head
            WHERE workspace_id = \(workspace) AND set_number = ANY (\(numbers))
            ORDER BY set_number FOR NO KEY UPDATE
            """
        ) { row in
            let head = LockedHead(
                set: SetKey(workspace: workspace, number: try row.value(0)),
                at: SetVersion(version: try row.value(1), tag: try row.value(2)), nextUserNumber: nil)
            return (head, try row.value(3))
        }
    }

    /// The cohorts that contain any of the users to remove. Goes through the sets of all cohorts, a group at a time.
    private borrowing func cohorts(
        having gone: MemberSet, of users: MemberSet, amongNumbers numbers: Int,
        cache: SetCache
    ) throws -> [Int32: CohortMembership] {
        let heads = try query(
            """
            SELECT set_number, version, tag, size FROM set_head
            WHERE workspace_id = \(workspace) AND kind = 'cohort' AND size > 0
            """
        ) { row in
            CohortHead(
                number: try row.value(0), at: SetVersion(version: try row.value(1), tag: try row.value(2)),
                size: try row.value(3))
        }
        var having: [Int32: CohortMembership] = [:]
        for start in stride(from: 0, to: heads.count, by: CohortHead.group) {
            let group = heads[start..<min(start + CohortHead.group, heads.count)]
            let memberships = try memberships(
                of: users, in: group, amongNumbers: numbers, cache: cache)
            for (number, membership) in memberships where !membership.members.intersection(gone).isEmpty {
                having[number] = membership
            }
        }
        return having
    }

    /// Reads sets from the cache, and updates those that are a few changes behind with one statement. Loads other sets
    /// into the cache while it has room, for the next merge and for a repeat of one that timed out. Of the rest it
    /// reads only the chunks with these users and caches nothing: an erasure must not evict sets that reads need.
    private borrowing func memberships(
        of users: MemberSet, in heads: ArraySlice<CohortHead>, amongNumbers numbers: Int,
        cache: SetCache
    ) throws -> [Int32: CohortMembership] {
        var states = try cachedStates(of: heads, cache: cache)
        let missing = heads.filter { states[$0.number] == nil }
        var room = cache.room
        var (whole, rest): ([Int32], [Int32]) = ([], [])
        for head in missing {
            let bytes = head.bytes(amongNumbers: numbers)
            if bytes <= room { whole.append(head.number) } else { rest.append(head.number) }
            if bytes <= room { room -= bytes }
        }
        let loaded = whole.isEmpty ? [:] : try load(whole)
        // No head moves now, so a cached version that is higher belongs to an abandoned history.
        for (number, state) in loaded { cache.replace(state, for: SetKey(workspace: workspace, number: number)) }
        states.merge(loaded) { _, new in new }
        let parts = rest.isEmpty ? [:] : try load(rest, onlyFor: users)
        let known = states.mapValues { state in
            CohortMembership(at: state.at, members: state.members.intersection(users), whole: state)
        }
        return known.merging(
            parts.mapValues { CohortMembership(at: $0.at, members: $0.members.intersection(users), whole: nil) }
        ) { known, _ in known }
    }

    private borrowing func cachedStates(of heads: ArraySlice<CohortHead>, cache: SetCache) throws -> [Int32: SetState] {
        var states: [Int32: SetState] = [:]
        var behind: [Int32: SetState] = [:]
        for head in heads {
            guard let cached = cache[SetKey(workspace: workspace, number: head.number)] else { continue }
            if cached.at == head.at { states[head.number] = cached }
            if cached.at.version < head.at.version, head.at.version - cached.at.version <= CohortHead.maxChanges {
                behind[head.number] = cached
            }
        }
        let changes = try changes(since: behind)
        for head in heads {
            guard let state = behind[head.number]?.applying(changes[head.number] ?? []), state.at == head.at else {
                continue
            }
            states[head.number] = state
            cache.put(state, for: SetKey(workspace: workspace, number: head.number))
        }
        return states
    }

    private borrowing func changes(since known: [Int32: SetState]) throws -> [Int32: [SetChange]] {
        guard !known.isEmpty else { return [:] }
        let known = known.map { (number: $0.key, version: $0.value.at.version) }
        var changes: [Int32: [SetChange]] = [:]
        try forEach(
            """
            SELECT c.set_number, c.version, c.previous_tag, c.tag, c.added, c.removed
            FROM unnest(\(known.map(\.number)), \(known.map(\.version))) k (set_number, version)
            JOIN set_change c ON c.workspace_id = \(workspace) AND c.set_number = k.set_number AND c.version > k.version
            ORDER BY c.set_number, c.version
            """
        ) { row in
            let number: Int32 = try row.value(0)
            let set = SetKey(workspace: workspace, number: number)
            if let change = try row.change(1, of: set, added: 4, removed: 5) {
                changes[number, default: []].append(change)
            }
        }
        return changes
    }
}

/// The result of removing users from all sets.
struct RemovalResult {
    /// The changed sets that are completely in memory, everyone among them.
    var known: [SetKey: SetState] = [:]
    /// The number of changed cohorts.
    var cohorts = 0
}

/// The members of a cohort among some users.
private struct CohortMembership {
    let at: SetVersion
    /// The members among the users.
    let members: MemberSet
    /// The whole set, if it is in memory.
    let whole: SetState?
}

private struct CohortHead {
    let number: Int32
    let at: SetVersion
    let size: Int64

    /// Estimates the set's memory: per member 2 bytes, or per block of 65,536 numbers 8 KiB if that is less, and 64
    /// bytes per block.
    func bytes(amongNumbers numbers: Int) -> Int {
        let blocks = min(Int(size), (numbers >> 16) + 1)
        return min(Int(size) * 2, blocks << 13) + blocks * 64
    }

    /// Sets per read: about 40 MB if each chunk of ten million users has one of these users.
    static let group = 32
    /// A set with more changes than this is loaded from its snapshot, which is smaller than the changes.
    static let maxChanges: Int64 = 256
}
