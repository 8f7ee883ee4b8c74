import MusterProtocol
import MusterSets
import Postgres

/// The sets of cohorts that have one of some users. All of this is done while the identity row is held alone: every writer of sets
/// shares it, so no head moves meanwhile.
extension Connection {
    /// Takes users out of everyone and out of every cohort, and puts `kept` in their place where it is given. Returns the sets
    /// that changed. Everyone's head is held; attributes and events that go or move are counted before the heads of cohorts are taken.
    borrowing func remove(
        _ gone: MemberSet, keeping kept: UInt32?, from everyone: LockedHead, raisingAttributes: Bool,
        raisingEvents: Bool,
        in workspace: WorkspaceID, at now: Instant, cache: SetCache
    ) throws -> [SetKey: SetState] {
        var sets: [SetKey: SetState] = [:]
        sets[everyone.set] = try append(
            added: [], removed: gone, to: everyone, state: try state(of: everyone, cache: cache), at: now)
        if raisingAttributes {
            let touched = gone.union(kept.map { [$0] } ?? []).map { Int32(bitPattern: $0) }
            try raiseAttributes(of: touched, in: workspace)
        }
        if raisingEvents { try raiseEvents(in: workspace) }
        let cohorts = try cohorts(having: gone, in: workspace, cache: cache)
        var changes: [NewChange] = []
        for head in try lockHeads(cohorts.keys.sorted(), in: workspace) {
            var state = cohorts[head.set.number] ?? .empty
            if state.at != head.at { state = try self.state(of: head, cache: cache) }
            let removed = state.members.intersection(gone)
            let added = kept.map { state.members.contains($0) ? [] : MemberSet([$0]) } ?? []
            changes.append(NewChange(added: added, removed: removed, to: head, state: state))
            sets[head.set] = changes.last?.state
        }
        try append(changes, in: workspace, at: now)
        return sets
    }

    private borrowing func lockHeads(_ numbers: [Int32], in workspace: WorkspaceID) throws -> [LockedHead] {
        guard !numbers.isEmpty else { return [] }
        return try query(
            """
            SELECT set_number, version, tag FROM set_head
            WHERE workspace_id = \(workspace) AND set_number = ANY (\(numbers))
            ORDER BY set_number FOR NO KEY UPDATE
            """
        ) { row in
            LockedHead(
                set: SetKey(workspace: workspace, number: try row.value(0)),
                at: SetVersion(version: try row.value(1), tag: try row.value(2)), nextUserNumber: nil)
        }
    }

    /// Goes through all cohorts' sets, a group at a time: only those that have one of the users stay in memory.
    private borrowing func cohorts(
        having users: MemberSet, in workspace: WorkspaceID, cache: SetCache
    ) throws -> [Int32: SetState] {
        let heads = try query(
            """
            SELECT set_number, version, tag FROM set_head
            WHERE workspace_id = \(workspace) AND kind = 'cohort' AND size > 0
            """
        ) { row in
            CohortHead(number: try row.value(0), at: SetVersion(version: try row.value(1), tag: try row.value(2)))
        }
        var having: [Int32: SetState] = [:]
        for start in stride(from: 0, to: heads.count, by: CohortHead.group) {
            let group = heads[start..<min(start + CohortHead.group, heads.count)]
            for (number, state) in try states(of: group, in: workspace, cache: cache)
            where !state.members.intersection(users).isEmpty {
                having[number] = state
            }
        }
        return having
    }

    /// From the cache, brought up by one statement where that is short; the others loaded by another one.
    private borrowing func states(
        of heads: ArraySlice<CohortHead>, in workspace: WorkspaceID, cache: SetCache
    ) throws -> [Int32: SetState] {
        var states: [Int32: SetState] = [:]
        var behind: [Int32: SetState] = [:]
        for head in heads {
            guard let cached = cache[SetKey(workspace: workspace, number: head.number)] else { continue }
            if cached.at == head.at { states[head.number] = cached }
            if cached.at.version < head.at.version, head.at.version - cached.at.version <= CohortHead.mostChanges {
                behind[head.number] = cached
            }
        }
        let changes = try changes(since: behind, in: workspace)
        for head in heads {
            guard let state = behind[head.number]?.applying(changes[head.number] ?? []), state.at == head.at else {
                continue
            }
            states[head.number] = state
        }
        let missing = heads.filter { states[$0.number] == nil }
        for (number, state) in missing.isEmpty ? [:] : try load(missing.map(\.number), in: workspace) {
            states[number] = state
        }
        for (number, state) in states { cache.put(state, for: SetKey(workspace: workspace, number: number)) }
        return states
    }

    private borrowing func changes(
        since known: [Int32: SetState], in workspace: WorkspaceID
    ) throws -> [Int32: [SetChange]] {
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

private struct CohortHead {
    let number: Int32
    let at: SetVersion

    /// Sets that are loaded together: of a million users each, some 100 MB.
    static let group = 32
    /// Beyond so many changes a set is loaded afresh: its snapshot is smaller than the way there.
    static let mostChanges: Int64 = 256
}
