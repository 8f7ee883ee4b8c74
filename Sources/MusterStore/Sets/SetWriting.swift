import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// The head of a set whose row lock this transaction holds.
struct LockedHead: Sendable {
    let set: SetKey
    let at: SetVersion
    /// The next user number to assign; set for the head of everyone only.
    let nextUserNumber: UserNumber?
}

/// A change to append to a set whose head is locked.
struct NewChange: Sendable {
    let head: LockedHead
    let added: MemberSet
    let removed: MemberSet
    /// The version after the change.
    let at: SetVersion
    /// The size after the change.
    let size: Int64

    /// Changes per statement: about 10 MB if each has 1,000 users.
    static let group = 500

    /// - Parameter size: the size of the set before the change.
    init(added: MemberSet, removed: MemberSet, to head: LockedHead, size: Int64) {
        (self.head, self.added, self.removed) = (head, added, removed)
        at = head.at.next()
        self.size = size + Int64(added.count) - Int64(removed.count)
    }
}

extension SetState {
    /// This state after `change`.
    func applying(_ change: NewChange) -> SetState {
        var state = self
        state.members.apply(added: change.added, removed: change.removed)
        state.at = change.at
        return state
    }
}

extension WorkspaceTransaction {
    /// Locks a head; nil if the set doesn't exist (any more). Heads are locked in the order of their numbers.
    ///
    /// Not FOR UPDATE: by a foreign key, the first compaction of a set holds the key of its head until it commits, and
    /// no import may wait for that.
    borrowing func lockHead(_ set: SetKey) throws -> LockedHead? {
        try first(
            """
            SELECT version, tag, next_user_number FROM set_head
            WHERE workspace_id = \(set.workspace) AND set_number = \(set.number)
            FOR NO KEY UPDATE
            """
        ) { row in
            LockedHead(
                set: set, at: SetVersion(version: try row.value(0), tag: try row.value(1)),
                nextUserNumber: try row.value(2))
        }
    }

    /// The set at the version of its locked head: the cached state brought up to date, or a state loaded from the
    /// database.
    borrowing func state(of head: LockedHead, cache: SetCache) throws -> SetState {
        if let cached = cache[head.set], cached.at.version <= head.at.version {
            if cached.at == head.at { return cached }
            let missing = try changes(of: head.set, after: cached.at.version)
            if let state = cached.applying(missing), state.at == head.at { return state }
        }
        guard let state = try load([head.set.number])[head.set.number], state.at == head.at
        else {
            throw DamagedSet(set: head.set, what: "the set differs from its locked head")
        }
        return state
    }

    private borrowing func changes(of set: SetKey, after version: Int64) throws -> [SetChange] {
        try query(
            """
            SELECT version, previous_tag, tag, added, removed FROM set_change
            WHERE workspace_id = \(set.workspace) AND set_number = \(set.number) AND version > \(version)
            ORDER BY version
            """
        ) { row in try row.change(0, of: set, added: 3, removed: 4) }.compactMap(\.self)
    }

    /// Appends a change to the log of a set whose head is locked, and raises the head. The change must be effective:
    /// `state` contains no added user and every removed one.
    borrowing func append(
        added: MemberSet, removed: MemberSet, to head: LockedHead, state: SetState, at time: Instant,
        nextUserNumber: UserNumber? = nil
    ) throws -> SetState {
        let change = NewChange(added: added, removed: removed, to: head, size: Int64(state.members.count))
        let (new, addedBytes, removedBytes) = (state.applying(change), added.stored, removed.stored)
        let bytes = Int64((addedBytes?.count ?? 0) + (removedBytes?.count ?? 0))
        try execute(
            """
            WITH raised AS (
                UPDATE set_head SET version = \(new.at.version), tag = \(new.at.tag), size = \(Int64(new.members.count)),
                    next_user_number = coalesce(\(nextUserNumber), next_user_number), log_bytes = log_bytes + \(bytes)
                WHERE workspace_id = \(head.set.workspace) AND set_number = \(head.set.number)
            )
            INSERT INTO set_change (workspace_id, set_number, version, previous_tag, tag, added, removed, changed_at)
            VALUES (\(head.set.workspace), \(head.set.number), \(new.at.version), \(head.at.tag), \(new.at.tag),
                \(addedBytes), \(removedBytes), \(time))
            """
        )
        return new
    }

    /// Appends a change to each of many cohorts whose heads are locked, in few statements: a user may be in thousands
    /// of cohorts, and all writers of the workspace wait.
    borrowing func append(_ changes: [NewChange], at time: Instant) throws {
        for start in stride(from: 0, to: changes.count, by: NewChange.group) {
            let group = changes[start..<min(start + NewChange.group, changes.count)]
            let numbers = group.map(\.head.set.number)
            let (versions, tags) = (group.map(\.at.version), group.map(\.at.tag))
            let (added, removed) = (group.map(\.added.stored), group.map(\.removed.stored))
            let bytes = zip(added, removed).map { Int64(($0?.count ?? 0) + ($1?.count ?? 0)) }
            try execute(
                """
                WITH raised AS (
                    UPDATE set_head h SET version = n.version, tag = n.tag, size = n.size,
                        log_bytes = h.log_bytes + n.bytes
                    FROM unnest(\(numbers), \(versions), \(tags), \(group.map(\.size)), \(bytes))
                        n (set_number, version, tag, size, bytes)
                    WHERE h.workspace_id = \(workspace) AND h.set_number = ANY (\(numbers)) AND h.set_number = n.set_number
                )
                INSERT INTO set_change (workspace_id, set_number, version, previous_tag, tag, added, removed, changed_at)
                SELECT \(workspace), n.set_number, n.version, n.previous_tag, n.tag, n.added, n.removed, \(time)
                FROM unnest(\(numbers), \(versions), \(group.map(\.head.at.tag)), \(tags), \(added),
                        \(removed))
                    n (set_number, version, previous_tag, tag, added, removed)
                RETURNING 1
                """)
        }
    }
}

extension SetVersion {
    /// The next version, with a new tag.
    func next() -> SetVersion { SetVersion(version: version + 1, tag: Self.newTag()) }
}
