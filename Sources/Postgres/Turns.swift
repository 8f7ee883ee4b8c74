/// Work that waits in one lane. Groups take turns, and within a group its members; a member's work keeps its order.
///
/// So a neighbour of whoever asks for much waits for about one unit of work, and not for all that came before.
struct Turns {
    private struct Group {
        /// Of calls that have begun.
        var begun = Fifo<Work>()
        var members: [Int64: Fifo<Work>] = [:]
        /// Members with work, the next one first.
        var order = Fifo<Int64>()
        var count = 0
        let since: Moment

        mutating func append(_ work: Work) {
            count += 1
            if work.caller.hasBegun { return begun.append(work) }
            let member = work.caller.member
            if members[member] == nil { order.append(member) }
            members[member, default: Fifo()].append(work)
        }

        mutating func popFirst() -> Work? {
            if let work = begun.popFirst() {
                count -= 1
                return work
            }
            guard let member = order.popFirst(), let work = members[member]?.popFirst() else { return nil }
            count -= 1
            if members[member]?.count == 0 { members[member] = nil } else { order.append(member) }
            return work
        }

        /// The newest work of the member that has most; nil where all is of calls that have begun.
        mutating func popNewest() -> Work? {
            guard let member = members.max(by: { $0.value.count < $1.value.count })?.key,
                let work = members[member]?.popLast()
            else { return nil }
            count -= 1
            dropIfEmpty(member)
            return work
        }

        mutating func removeAll(where isUnwanted: (Work) -> Bool) -> [Work] {
            var removed = begun.removeAll(where: isUnwanted)
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

        func earliest(by moment: (Work) -> Moment) -> Moment? {
            (members.values + [begun]).compactMap { $0.earliest(by: moment) }.min()
        }
    }

    private var groups: [Int64: Group] = [:]
    /// Groups with work, the next one first.
    private var order = Fifo<Int64>()
    private(set) var count = 0

    mutating func append(_ work: Work, at now: Moment) {
        count += 1
        let id = work.caller.group
        if groups[id] == nil { order.append(id) }
        groups[id, default: Group(since: now)].append(work)
    }

    /// Work that could not be run is the first again.
    mutating func prepend(_ work: Work, at now: Moment) {
        count += 1
        let id = work.caller.group
        if groups[id] == nil { order.prepend(id) }
        groups[id, default: Group(since: now)].begun.prepend(work)
        groups[id]?.count += 1
    }

    mutating func popFirst() -> Work? {
        guard let id = order.popFirst(), let work = groups[id]?.popFirst() else { return nil }
        count -= 1
        if groups[id]?.count == 0 { groups[id] = nil } else { order.append(id) }
        return work
    }

    /// Makes room for work of this group at the expense of the one that has most, unless it is this one or has no more.
    mutating func makeRoom(for group: Int64) -> Work? {
        guard let (id, largest) = groups.max(by: { $0.value.count < $1.value.count }),
            largest.count > (groups[group]?.count ?? 0) + 1, let work = groups[id]?.popNewest()
        else { return nil }
        count -= 1
        dropIfEmpty(id)
        return work
    }

    /// Returns what it removed.
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

    func earliest(by moment: (Work) -> Moment) -> Moment? {
        groups.values.compactMap { $0.earliest(by: moment) }.min()
    }

    /// How many units go before new work of this group.
    func ahead(of group: Int64) -> Int {
        let own = groups[group]?.count ?? 0
        return groups.values.reduce(0) { $0 + min($1.count, own + 1) }
    }

    /// Since when work of this group has been waiting without a break; nil where none waits.
    func waitingSince(_ group: Int64) -> Moment? { groups[group]?.since }
}
