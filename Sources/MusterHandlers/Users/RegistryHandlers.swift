public import MusterProtocol
public import MusterStore

/// Handles users as Braze's API models them: attributes, events, purchases, aliases and external ids.
public struct RegistryHandlers: Sendable {
    let store: Store

    /// Serves the users of this store.
    public init(store: Store) {
        self.store = store
    }

    /// `users.track`
    public func track(_ call: TrackUsers, _ context: CallContext) async throws -> TrackUsers.Reply {
        let count = (call.attributes ?? []).count + (call.events ?? []).count + (call.purchases ?? []).count
        guard count <= Limits.trackObjects.value else {
            throw RPCError(
                .invalidArgument, .tooMany, limit: Limits.trackObjects,
                "the call has \(count) objects; send at most \(Limits.trackObjects.value) in one call "
                    + "(\(Limits.trackObjects.name))")
        }
        return try await users(context).track(call, request: try IdempotencyKey(call))
    }

    /// `users.alias.new`
    public func addAliases(_ call: AddAliases, _ context: CallContext) async throws -> AddAliases.Reply {
        try check(call.userAliases.count, of: "user_aliases", atMost: Limits.registryEntries)
        return try await users(context).addAliases(call.userAliases, request: try IdempotencyKey(call))
    }

    /// `users.alias.update`
    public func updateAliases(_ call: UpdateAliases, _ context: CallContext) async throws -> UpdateAliases.Reply {
        try check(call.aliasUpdates.count, of: "alias_updates", atMost: Limits.registryEntries)
        return try await users(context).updateAliases(call.aliasUpdates, request: try IdempotencyKey(call))
    }

    /// `users.external_ids.rename`
    public func rename(_ call: RenameExternalIDs, _ context: CallContext) async throws -> RenameExternalIDs.Reply {
        try checkNotEmpty(call.renames.count, "external_id_renames")
        return try await users(context).renameExternalIDs(call.renames, request: try IdempotencyKey(call))
    }

    /// `users.external_ids.remove`
    public func remove(_ call: RemoveExternalIDs, _ context: CallContext) async throws -> RemoveExternalIDs.Reply {
        try checkNotEmpty(call.externalIDs.count, "external_ids")
        return try await users(context).removeExternalIDs(call.externalIDs, request: try IdempotencyKey(call))
    }

    private func users(_ context: CallContext) -> UserStore { store.in(context.scope).users }

    private func checkNotEmpty(_ count: Int, _ field: String) throws {
        guard count > 0 else { throw RPCError.invalid(field, .empty, "is empty") }
        try check(count, of: field, atMost: Limits.registryEntries)
    }
}
