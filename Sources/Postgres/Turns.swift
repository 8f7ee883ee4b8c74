/// The waiting work of one lane. Groups take turns, and so do the members of a group; a member's work keeps its order.
///
/// So a neighbour of a demanding caller waits for about one unit of work, not for all earlier work.
struct Turns {
    /// The work of a member.
    private struct Line {
        /// Work of calls that have begun, which goes first.
        var begun = Fifo<Work>()
        var fresh = Fifo<Work>()
        let since: MonotonicTime
        var count: Int { begun.count + fresh.count }

        mutating func removeAll(where isUnwanted: (Work) -> Bool) -> [Work] {
            begun.removeAll(where: isUnwanted) + fresh.removeAll(where: isUnwanted)
        }
    }

    private struct Group {
        var members: [Int64: Line] = [:]
        /// Members with work, the next one first.
        var order = Fifo<Int64>()
        var count = 0

        mutating func append(_ work: Work, at now: MonotonicTime) {
            count += 1
            let member = work.caller.member
            if members[member] == nil { order.append(member) }
            if work.caller.hasBegun {
                members[member, default: Line(since: now)].begun.append(work)
            } else {
                members[member, default: Line(since: now)].fresh.append(work)
            }
        }

        mutating func prepend(_ work: Work, at now: MonotonicTime) {
            count += 1
            let member = work.caller.member
            if members[member] == nil { order.prepend(member) }
            members[member, default: Line(since: now)].begun.prepend(work)
        }

        mutating func popFirst() -> Work? {
            guard let member = order.popFirst(),
                let work = members[member]?.begun.popFirst() ?? members[member]?.fresh.popFirst()
            else { return nil }
            count -= 1
            if members[member]?.count == 0 { members[member] = nil } else { order.append(member) }
            return work
        }

        /// Removes the newest work of the member with the most; nil when all is of calls that have begun.
        mutating func popNewest() -> Work? {
            guard let member = members.max(by: { $0.value.fresh.count < $1.value.fresh.count })?.key,
                let work = members[member]?.fresh.popLast()
            else { return nil }
            count -= 1
            dropIfEmpty(member)
            return work
        }

        mutating func removeAll(where isUnwanted: (Work) -> Bool) -> [Work] {
            var removed: [Work] = []
            for member in Array(members.keys) {
                removed += members[member]?.removeAll(where: isUnwanted) ?? []
                dropIfEmpty(member)
            }
            count -= removed.count
            return removed
        }

        private mutating func dropIfEmpty(_ member: Int64) {
            guard members[member]?.count == 0 else { return }
            members[member] = nil
            _ = order.removeAll { $0 == member }
        }

        /// The number of units in the group that go before new work of a member.
        func ahead(of member: Int64) -> Int {
            let own = members[member]?.count ?? 0
            return members.values.reduce(0) { $0 + min($1.count, own + 1) }
        }

        func earliest(by moment: (Work) -> MonotonicTime) -> MonotonicTime? {
            members.values.flatMap { [$0.begun.earliest(by: moment), $0.fresh.earliest(by: moment)] }
                .compactMap(\.self).min()
        }
    }

    private var groups: [Int64: Group] = [:]
    /// Groups with work, the next one first.
    private var order = Fifo<Int64>()
    private(set) var count = 0

    mutating func append(_ work: Work, at now: MonotonicTime) {
        count += 1
        let id = work.caller.group
        if groups[id] == nil { order.append(id) }
        groups[id, default: Group()].append(work, at: now)
    }

    /// Puts work that could not run back at the front.
    mutating func prepend(_ work: Work, at now: MonotonicTime) {
        count += 1
        let id = work.caller.group
        if groups[id] == nil { order.prepend(id) }
        groups[id, default: Group()].prepend(work, at: now)
    }

    mutating func popFirst() -> Work? {
        guard let id = order.popFirst(), let work = groups[id]?.popFirst() else { return nil }
        count -= 1
        if groups[id]?.count == 0 { groups[id] = nil } else { order.append(id) }
        return work
    }

    /// Makes room for work of this group by removing work of the largest group, unless this is the largest or equally
    /// large.
    mutating func makeRoom(for group: Int64) -> Work? {
        guard let (id, largest) = groups.max(by: { $0.value.count < $1.value.count }),
            largest.count > (groups[group]?.count ?? 0) + 1, let work = groups[id]?.popNewest()
        else { return nil }
        count -= 1
        dropIfEmpty(id)
        return work
    }

    /// Returns the removed work.
    mutating func removeAll(where isUnwanted: (Work) -> Bool) -> [Work] {
        groups.keys.flatMap { remove(from: $0, where: isUnwanted) }
    }

    mutating func remove(from group: Int64, where isUnwanted: (Work) -> Bool) -> [Work] {
        let removed = groups[group]?.removeAll(where: isUnwanted) ?? []
        count -= removed.count
        dropIfEmpty(group)
        return removed
    }

    private mutating func dropIfEmpty(_ group: Int64) {
        guard groups[group]?.count == 0 else { return }
        groups[group] = nil
        _ = order.removeAll { $0 == group }
    }

    func earliest(by moment: (Work) -> MonotonicTime) -> MonotonicTime? {
        groups.values.compactMap { $0.earliest(by: moment) }.min()
    }

    /// The number of units that go before new work of a caller.
    func ahead(of caller: Caller) -> Int {
        let own = groups[caller.group]?.ahead(of: caller.member) ?? 0
        return groups.reduce(own) { $0 + ($1.key == caller.group ? 0 : min($1.value.count, own + 1)) }
    }

    /// Since when this member continuously has waiting work; nil when it has none.
    func waitingSince(_ caller: Caller) -> MonotonicTime? { groups[caller.group]?.members[caller.member]?.since }
}
