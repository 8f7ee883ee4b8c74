public import MusterProtocol
import MusterUsers
import Postgres

extension Store {
    /// Adds aliases, as an upsert does; a user named by external id must exist.
    public func addAliases(
        _ aliases: [NewAlias], request: IdempotencyKey, in workspace: WorkspaceID, deadline: ContinuousClock.Instant
    ) async throws -> AddAliases.Reply {
        let batch = UpsertBatch(aliases.map(ValidatedEntry.init))
        let cache = cache
        return try await recorded(request, in: workspace, deadline: deadline) { connection in
            let written = try connection.upsert(batch, in: workspace, cache: cache)
            return WriteResult(reply: AddAliases.Reply(results: written.reply.results), sets: written.sets)
        }
    }

    /// Renames aliases, each after those before it.
    public func updateAliases(
        _ updates: [AliasUpdate], request: IdempotencyKey, in workspace: WorkspaceID, deadline: ContinuousClock.Instant
    ) async throws -> UpdateAliases.Reply {
        try await recorded(request, in: workspace, deadline: deadline) { connection in
            _ = try connection.takeIdentity(in: workspace)
            let aliases = Array(Set(updates.flatMap { [$0.old, $0.new] }))
            let found = try connection.find(aliases.map(UserReference.alias), in: workspace)
            let stored = AliasHolders(aliases, found)
            var holders = stored
            let results = updates.map { holders.rename($0) }
            let moved = aliases.filter { stored[$0] != holders[$0] }.sorted {
                ($0.label, $0.name) < ($1.label, $1.name)
            }
            try connection.remove(moved.filter { stored[$0] != nil }, in: workspace)
            try connection.insert(moved.compactMap { alias in holders[alias].map { (alias, $0) } }, in: workspace)
            return WriteResult(reply: UpdateAliases.Reply(results: results))
        }
    }
}

extension WorkspaceTransaction {
    fileprivate borrowing func remove(_ aliases: [Alias], in workspace: WorkspaceID) throws {
        guard !aliases.isEmpty else { return }
        try execute(
            """
            DELETE FROM user_alias a
            USING unnest(\(aliases.map(\.label)), \(aliases.map(\.name))) o (alias_label, alias_name)
            WHERE a.workspace_id = \(workspace) AND a.alias_label = o.alias_label AND a.alias_name = o.alias_name
            """)
    }

    fileprivate borrowing func insert(
        _ aliases: [(alias: Alias, number: UserNumber)], in workspace: WorkspaceID
    ) throws {
        guard !aliases.isEmpty else { return }
        let numbers = aliases.map(\.number)
        try execute(
            """
            INSERT INTO user_alias (workspace_id, alias_label, alias_name, user_number)
            SELECT \(workspace), n.alias_label, n.alias_name, n.user_number
            FROM unnest(\(aliases.map(\.alias.label)), \(aliases.map(\.alias.name)), \(numbers))
                n (alias_label, alias_name, user_number)
            """)
        try touch(numbers, in: workspace)
    }

    /// Notes that users were changed now.
    borrowing func touch(_ numbers: [UserNumber], in workspace: WorkspaceID) throws {
        try execute(
            """
            UPDATE registered_user SET updated_at = \(Instant.now)
            WHERE workspace_id = \(workspace) AND user_number = ANY (\(numbers))
            """)
    }
}
