public import MusterProtocol
import MusterUsers
import Postgres

extension UserStore {
    /// Adds aliases, as an upsert does. A user named by external id must exist.
    public func addAliases(
        _ aliases: [NewAlias], request: IdempotencyKey
    ) async throws -> AddAliases.Reply {
        let batch = UpsertBatch(aliases.map(ValidatedEntry.init))
        let (cache, keys) = (store.cache, store.digestKeys)
        return try await withIdempotency(request) { transaction in
            let written = try transaction.upsert(batch, cache: cache, keys: keys)
            return WriteResult(reply: AddAliases.Reply(results: written.reply.results), sets: written.sets)
        }
    }

    /// Renames aliases one after the other, in order.
    public func updateAliases(
        _ updates: [AliasUpdate], request: IdempotencyKey
    ) async throws -> UpdateAliases.Reply {
        let keys = store.digestKeys
        return try await withIdempotency(request) { transaction in
            let everyone = try transaction.takeIdentity()
            let aliases = Array(Set(updates.flatMap { [$0.old, $0.new] }))
            let found = try transaction.find(aliases.map(UserReference.alias))
            let stored = AliasHolders(aliases, found)
            var holders = stored
            let results = updates.map { holders.rename($0) }
            let moved = aliases.filter { stored[$0] != holders[$0] }.sorted {
                ($0.label, $0.name) < ($1.label, $1.name)
            }
            try transaction.remove(moved.filter { stored[$0] != nil })
            try transaction.insert(moved.compactMap { alias in holders[alias].map { (alias, $0) } })
            var changes = IdentifierChanges()
            for alias in moved { changes.note(.alias(alias), finds: holders[alias]) }
            try transaction.raiseIdentifiers(changes, under: everyone, keys: keys)
            return WriteResult(reply: UpdateAliases.Reply(results: results))
        }
    }
}

extension WorkspaceTransaction {
    fileprivate borrowing func remove(_ aliases: [Alias]) throws {
        guard !aliases.isEmpty else { return }
        try execute(
            """
            DELETE FROM user_alias a
            USING unnest(\(aliases.map(\.label)), \(aliases.map(\.name))) o (alias_label, alias_name)
            WHERE a.workspace_id = \(workspace) AND a.alias_label = o.alias_label AND a.alias_name = o.alias_name
            """)
    }

    fileprivate borrowing func insert(
        _ aliases: [(alias: Alias, number: UserNumber)]
    ) throws {
        guard !aliases.isEmpty else { return }
        let numbers = aliases.map(\.number)
        try execute(
            """
            INSERT INTO user_alias (workspace_id, alias_label, alias_name, user_number)
            SELECT \(workspace), n.alias_label, n.alias_name, n.user_number
            FROM unnest(\(aliases.map(\.alias.label)), \(aliases.map(\.alias.name)), \(numbers))
                n (alias_label, alias_name, user_number)
            RETURNING 1
            """)
        try touch(numbers)
    }

    /// Sets the time of the last update of users to now.
    borrowing func touch(_ numbers: [UserNumber]) throws {
        try execute(
            """
            UPDATE registered_user SET updated_at = \(Instant.now)
            WHERE workspace_id = \(workspace) AND user_number = ANY (\(numbers))
            """)
    }
}
