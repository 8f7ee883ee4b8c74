public import MusterProtocol
import MusterUsers
import Postgres

extension UserStore {
    /// Renames external ids one after the other, in order. The former ones become deprecated.
    public func renameExternalIDs(
        _ renames: [ExternalIDRename], request: IdempotencyKey
    ) async throws -> RenameExternalIDs.Reply {
        let keys = store.digestKeys
        return try await withIdempotency(request) { transaction in
            let everyone = try transaction.takeIdentity()
            var ids = try transaction.externalIDs(renames.flatMap { [$0.current, $0.new] })
            var deprecated: [(id: Identifier, user: UserNumber)] = []
            var renamed: [UserNumber: Identifier] = [:]
            var changes = IdentifierChanges()
            let results = renames.map { rename in
                let result = ids.rename(rename)
                if result == .renamed, let user = ids.primary[rename.new] {
                    deprecated.append((rename.current, user))
                    renamed[user] = rename.new
                    changes.note(.externalID(rename.new), finds: user)
                }
                return result
            }
            if !renamed.isEmpty { try transaction.write(renamed, deprecated) }
            try transaction.raiseIdentifiers(changes, under: everyone, keys: keys)
            return WriteResult(reply: RenameExternalIDs.Reply(results: results))
        }
    }

    /// Removes deprecated external ids.
    public func removeExternalIDs(
        _ externalIDs: [Identifier], request: IdempotencyKey
    ) async throws -> RemoveExternalIDs.Reply {
        let keys = store.digestKeys
        return try await withIdempotency(request) { transaction in
            let everyone = try transaction.takeIdentity()
            var ids = try transaction.externalIDs(externalIDs)
            let results = externalIDs.map { ids.remove($0) }
            if results.contains(.removed) {
                try transaction.removeDeprecated(externalIDs)
            }
            var changes = IdentifierChanges()
            for (id, result) in zip(externalIDs, results) where result == .removed {
                changes.note(.externalID(id), finds: nil)
            }
            try transaction.raiseIdentifiers(changes, under: everyone, keys: keys)
            return WriteResult(reply: RemoveExternalIDs.Reply(results: results))
        }
    }
}

extension WorkspaceTransaction {
    fileprivate borrowing func externalIDs(_ ids: [Identifier]) throws -> ExternalIDHolders {
        var found = ExternalIDHolders()
        try forEach(
            """
            SELECT external_id, user_number, true FROM registered_user
            WHERE workspace_id = \(workspace) AND external_id = ANY (\(ids))
            UNION ALL
            SELECT external_id, user_number, false FROM deprecated_external_id
            WHERE workspace_id = \(workspace) AND external_id = ANY (\(ids))
            """
        ) { row in
            let (id, user): (Identifier, UserNumber) = (try row.value(0), try row.value(1))
            found.add(id, of: user, isPrimary: try row.value(2))
        }
        return found
    }

    fileprivate borrowing func write(
        _ renamed: [UserNumber: Identifier], _ deprecated: [(id: Identifier, user: UserNumber)]
    ) throws {
        let users = renamed.keys.sorted()
        try execute(
            """
            UPDATE registered_user u SET external_id = n.external_id, updated_at = \(Instant.now)
            FROM unnest(\(users), \(users.compactMap { renamed[$0] })) n (user_number, external_id)
            WHERE u.workspace_id = \(workspace) AND u.user_number = n.user_number
            """)
        try execute(
            """
            INSERT INTO deprecated_external_id (workspace_id, external_id, user_number)
            SELECT \(workspace), n.external_id, n.user_number
            FROM unnest(\(deprecated.map(\.id)), \(deprecated.map(\.user))) n (external_id, user_number)
            RETURNING 1
            """)
    }

    fileprivate borrowing func removeDeprecated(_ ids: [Identifier]) throws {
        try execute(
            """
            DELETE FROM deprecated_external_id WHERE workspace_id = \(workspace) AND external_id = ANY (\(ids))
            """)
    }
}
