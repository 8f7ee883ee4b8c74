import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// The result of writing the users of a plan.
struct WrittenUsers {
    /// The changed sets.
    let sets: [SetKey: SetState]
    /// The number of each user.
    let numbers: [UserNumber]
    let identifiers: IdentifierChanges
}

extension WorkspaceTransaction {
    /// Writes the users of a plan in a few statements. The caller raises the head of identifiers.
    borrowing func write(
        _ users: [PlannedUser], under everyone: LockedHead?, cache: SetCache
    ) throws -> WrittenUsers {
        let now = Instant.now
        let created = users.filter { $0.number == nil }
        let changed = users.filter { $0.number != nil && $0.isChanged }
        var sets: [SetKey: SetState] = [:]
        var new: [UserNumber] = []
        if !created.isEmpty {
            guard let everyone, let first = everyone.nextUserNumber else { throw UnfinishedWorkspace() }
            guard let next = first.next(created.count) else {
                throw RPCError(.resourceExhausted, .noRoom, "the workspace has had as many users as it can ever have")
            }
            new = next.numbers
            try insert(created, numbers: new, at: now)
            sets[everyone.set] = try append(
                added: MemberSet(users: new), removed: [], to: everyone, state: try state(of: everyone, cache: cache),
                at: now,
                nextUserNumber: next.end)
        }
        try update(changed, at: now)
        try insertIdentifiers(of: changed + created, numbers: changed.compactMap(\.number) + new)
        var rest = new[...]
        let numbers = users.compactMap { $0.number ?? rest.popFirst() }
        let touched = zip(users, numbers).filter { user, _ in user.changedAttributes != nil }.map { $1 }
        if !touched.isEmpty { try raiseAttributes(of: touched) }
        return WrittenUsers(sets: sets, numbers: numbers, identifiers: IdentifierChanges(of: users, numbers))
    }

    private borrowing func insert(_ users: [PlannedUser], numbers: [UserNumber], at now: Instant) throws {
        try execute(
            """
            INSERT INTO registered_user (workspace_id, user_number, external_id, attributes, created_at, updated_at)
            SELECT \(workspace), n.user_number, n.external_id, n.attributes, \(now), \(now)
            FROM unnest(\(numbers), \(users.map(\.externalID)), \(users.map { JSONB($0.changedAttributes ?? Array("{}".utf8)) }))
                n (user_number, external_id, attributes)
            RETURNING 1
            """)
    }

    private borrowing func update(_ users: [PlannedUser], at now: Instant) throws {
        guard !users.isEmpty else { return }
        let attributes = users.map { $0.changedAttributes.map(JSONB.init) }
        try execute(
            """
            UPDATE registered_user u SET attributes = coalesce(n.attributes, u.attributes), updated_at = \(now)
            FROM unnest(\(users.compactMap(\.number)), \(attributes)) n (user_number, attributes)
            WHERE u.workspace_id = \(workspace) AND u.user_number = n.user_number
            """)
    }

    /// Inserts in byte order, the order of the index.
    private borrowing func insertIdentifiers(of users: [PlannedUser], numbers: [UserNumber]) throws {
        let aliases = zip(users, numbers).flatMap { user, number in user.newAliases.map { (alias: $0, number: number) }
        }
        .sorted { ($0.alias.label, $0.alias.name) < ($1.alias.label, $1.alias.name) }
        let devices = zip(users, numbers).flatMap { user, number in user.newDevices.map { (device: $0, number: number) }
        }
        .sorted { $0.device < $1.device }
        if !aliases.isEmpty {
            try execute(
                """
                INSERT INTO user_alias (workspace_id, alias_label, alias_name, user_number)
                SELECT \(workspace), n.alias_label, n.alias_name, n.user_number
                FROM unnest(\(IdentifierList(aliases.map(\.alias.label)).textArray),
                    \(IdentifierList(aliases.map(\.alias.name)).textArray), \(aliases.map(\.number)))
                    n (alias_label, alias_name, user_number)
                RETURNING 1
                """)
        }
        if !devices.isEmpty {
            try execute(
                """
                INSERT INTO user_device (workspace_id, device_id, user_number)
                SELECT \(workspace), n.device_id, n.user_number
                FROM unnest(\(IdentifierList(devices.map(\.device)).textArray), \(devices.map(\.number)))
                    n (device_id, user_number)
                RETURNING 1
                """)
        }
    }
}

extension IdentifierChanges {
    /// What a plan adds to its users.
    fileprivate init(of users: [PlannedUser], _ numbers: [UserNumber]) {
        for (user, number) in zip(users, numbers) {
            if let id = user.externalID { note(.externalID(id), finds: number) }
            for alias in user.newAliases { note(.alias(alias), finds: number) }
            for device in user.newDevices { note(.deviceID(device), finds: number) }
        }
    }
}
