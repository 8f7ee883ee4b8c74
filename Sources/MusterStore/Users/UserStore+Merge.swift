public import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

extension UserStore {
    /// Merges a user into another one. Throws `UserRefusal`.
    public func merge(
        _ merged: UserReference, into kept: UserReference, request: IdempotencyKey
    ) async throws -> MergeUsers.Reply {
        let (cache, keys) = (store.cache, store.digestKeys)
        defer { forgetWhatWasRead() }
        return try await withIdempotency(request) { transaction in
            let everyone = try transaction.takeIdentity()
            let found = try transaction.find([merged, kept])
            guard let merged = found[0] else { throw UserRefusal.unknown("merge") }
            guard let kept = found[1] else { throw UserRefusal.unknown("keep") }
            guard merged != kept else { throw UserRefusal.sameUser }
            let left = try transaction.join(merged, into: kept, under: everyone, cache: cache, keys: keys)
            return WriteResult(reply: MergeUsers.Reply(changedSets: left.cohorts), sets: left.known)
        }
    }
}

extension WorkspaceTransaction {
    /// Moves all data of the merged user to the kept one, in every set too.
    borrowing func join(
        _ merged: UserNumber, into kept: UserNumber, under everyone: LockedHead,
        cache: SetCache, keys: IdentifierDigestKeys
    ) throws -> RemovalResult {
        let now = Instant.now
        try checkRoom(for: merged, in: kept)
        let stored = try attributes(of: [merged, kept])
        let others = try stored[merged].map { try Attributes(stored: $0).byName } ?? [:]
        var own = try stored[kept].map { try Attributes(stored: $0).byName } ?? [:]
        let filled = own.fill(from: others) ? JSONB(try own.jsonWithinLimits) : nil
        // Raises the version even if no attribute is added: bitmaps cached under it contain the merged user's number.
        let hasEvents = try haveEvents([merged])
        let held = try identifiers(of: [merged, kept])
        let left = try remove(
            [merged.rawValue], keeping: kept, from: everyone,
            raisingAttributes: !others.isEmpty, raisingEvents: hasEvents,
            identifiers: IdentifierChanges(merging: merged, into: kept, held), at: now, cache: cache, keys: keys)
        if hasEvents { try moveEvents(of: merged, to: kept) }
        try execute(
            """
            UPDATE registered_user SET attributes = coalesce(\(filled), attributes), updated_at = \(now)
            WHERE workspace_id = \(workspace) AND user_number = \(kept)
            """)
        try remember(merged, as: kept)
        try moveIdentifiers(of: merged, to: kept)
        return left
    }

    private borrowing func checkRoom(for merged: UserNumber, in kept: UserNumber) throws {
        let counts = try first(
            """
            SELECT (SELECT count(DISTINCT alias_label) FROM user_alias
                    WHERE workspace_id = \(workspace) AND user_number IN (\(merged), \(kept))),
                (SELECT count(*) FROM user_device
                    WHERE workspace_id = \(workspace) AND user_number IN (\(merged), \(kept)))
            """
        ) { row in (aliases: try row.value(0, as: Int.self), devices: try row.value(1, as: Int.self)) }
        guard let counts else { return }
        if counts.aliases > Limits.aliasesPerUser.value { throw UserRefusal.tooMany(Limits.aliasesPerUser) }
        if counts.devices > Limits.devicesPerUser.value { throw UserRefusal.tooMany(Limits.devicesPerUser) }
    }

    /// Aliases whose label the kept user has too stay, and are deleted with the merged user's row.
    private borrowing func moveIdentifiers(of merged: UserNumber, to kept: UserNumber) throws {
        try execute(
            """
            UPDATE user_alias a SET user_number = \(kept)
            WHERE a.workspace_id = \(workspace) AND a.user_number = \(merged) AND NOT EXISTS (
                SELECT FROM user_alias k WHERE k.workspace_id = \(workspace) AND k.user_number = \(kept)
                    AND k.alias_label = a.alias_label)
            """)
        try execute(
            """
            UPDATE user_device SET user_number = \(kept)
            WHERE workspace_id = \(workspace) AND user_number = \(merged)
            """)
        try execute("DELETE FROM registered_user WHERE workspace_id = \(workspace) AND user_number = \(merged)")
    }

    /// Records which user the merged number stands for, since earlier versions of sets contain it. Updates numbers
    /// merged into it before, so that each resolves in one step.
    private borrowing func remember(_ merged: UserNumber, as kept: UserNumber) throws {
        try execute(
            """
            UPDATE merged_user SET kept_number = \(kept)
            WHERE workspace_id = \(workspace) AND kept_number = \(merged)
            """)
        try execute(
            """
            INSERT INTO merged_user (workspace_id, merged_number, kept_number, braze_id)
            SELECT workspace_id, user_number, \(kept)::int4, braze_id FROM registered_user
            WHERE workspace_id = \(workspace) AND user_number = \(merged)
            """)
    }
}
