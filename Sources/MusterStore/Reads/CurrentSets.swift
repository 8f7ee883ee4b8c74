import MusterProtocol
import MusterSets
import Postgres

extension WorkspaceTransaction {
    /// The sets of cohorts, of those that exist.
    borrowing func sets(of cohorts: [CohortReference]) throws -> [(CohortReference, Int32)] {
        try query(
            """
            SELECT w.partner, w.cohort_id, c.set_number
            FROM unnest(\(cohorts.map(\.partner)), \(cohorts.map(\.cohortID))) w (partner, cohort_id)
            CROSS JOIN LATERAL (
                SELECT y.set_number FROM cohort y WHERE y.workspace_id = \(workspace) AND y.partner = w.partner
                    AND y.cohort_id = w.cohort_id LIMIT 1) c
            """
        ) { row in
            (CohortReference(partner: try row.value(0), cohortID: try row.value(1)), try row.value(2))
        }
    }

    /// Sets at heads of this transaction's snapshot: cached states brought on by the changes since, others loaded. What
    /// is damaged fails alone.
    borrowing func current(
        _ numbers: [Int32], at heads: Heads, cache: SetCache
    ) throws -> [Int32: Result<SetState, any Error>] {
        let cached = numbers.compactMap { number in
            cache[SetKey(workspace: workspace, number: number)].map { (number, $0) }
        }
        var states: [Int32: Result<SetState, any Error>] = [:]
        do {
            let changes = try changes(since: cached)
            for (number, state) in cached {
                guard let next = state.applying(changes[number] ?? []), next.at == heads[number] else { continue }
                states[number] = .success(next)
                cache.put(next, for: SetKey(workspace: workspace, number: number))
            }
        } catch is DamagedSet {
            // Which one it is shows when each is loaded.
        }
        let rest = numbers.filter { states[$0] == nil }
        guard !rest.isEmpty else { return states }
        do {
            for (number, state) in try load(rest) { states[number] = .success(state) }
        } catch is DamagedSet {
            for number in rest { states[number] = Result { try load([number])[number] ?? .empty } }
        }
        for number in rest {
            guard case .success(let state) = states[number] else { continue }
            // The cached one, if any, may be of a history that was rewound.
            cache.replace(state, for: SetKey(workspace: workspace, number: number))
        }
        return states
    }

    /// Beyond so many changes a set is loaded afresh: its snapshot is smaller than the way there.
    private static var maxChanges: Int64 { 256 }

    private borrowing func changes(since known: [(Int32, SetState)]) throws -> [Int32: [SetChange]] {
        guard !known.isEmpty else { return [:] }
        var changes: [Int32: [SetChange]] = [:]
        try forEach(
            """
            SELECT x.set_number, x.version, x.previous_tag, x.tag, x.added, x.removed
            FROM unnest(\(known.map(\.0)), \(known.map(\.1.at.version))) w (set_number, version)
            CROSS JOIN LATERAL (
                SELECT h.version FROM set_head h
                WHERE h.workspace_id = \(workspace) AND h.set_number = w.set_number LIMIT 1) h
            CROSS JOIN LATERAL (
                SELECT y.set_number, y.version, y.previous_tag, y.tag, y.added, y.removed FROM set_change y
                WHERE y.workspace_id = \(workspace) AND y.set_number = w.set_number AND y.version > w.version
                    AND w.version >= h.version - \(Self.maxChanges)
                ORDER BY y.version OFFSET 0) x
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
