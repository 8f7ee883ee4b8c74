public import MusterProtocol
public import MusterStore

/// Users as Braze's wire keeps them: what they are and did, their aliases and external ids.
public struct RegistryHandlers: Sendable {
    let store: Store

    /// Over the users of this store.
    public init(store: Store) {
        self.store = store
    }

    /// `users.track`
    public func track(_ call: TrackUsers, _ context: CallContext) async throws -> TrackUsers.Reply {
        let count = (call.attributes ?? []).count + (call.events ?? []).count + (call.purchases ?? []).count
        guard count <= Limits.trackObjects.value else {
            throw RPCError(
                .invalidArgument,
                "attributes, events and purchases have \(count) objects; send at most \(Limits.trackObjects.value) in one call"
            )
        }
        return try await store.track(
            call, request: try RequestKey(call), in: context.session.workspaceID, deadline: context.deadline)
    }

    /// `users.alias.new`
    public func addAliases(_ call: AddAliases, _ context: CallContext) async throws -> AddAliases.Reply {
        try check(call.userAliases.count, "user_aliases", least: 0)
        return try await store.addAliases(
            call.userAliases, request: try RequestKey(call), in: context.session.workspaceID,
            deadline: context.deadline)
    }

    /// `users.alias.update`
    public func updateAliases(_ call: UpdateAliases, _ context: CallContext) async throws -> UpdateAliases.Reply {
        try check(call.aliasUpdates.count, "alias_updates", least: 0)
        return try await store.updateAliases(
            call.aliasUpdates, request: try RequestKey(call), in: context.session.workspaceID,
            deadline: context.deadline)
    }

    /// `users.external_ids.rename`
    public func rename(_ call: RenameExternalIDs, _ context: CallContext) async throws -> RenameExternalIDs.Reply {
        try check(call.renames.count, "external_id_renames", least: 1)
        return try await store.renameExternalIDs(
            call.renames, request: try RequestKey(call), in: context.session.workspaceID, deadline: context.deadline)
    }

    /// `users.external_ids.remove`
    public func remove(_ call: RemoveExternalIDs, _ context: CallContext) async throws -> RemoveExternalIDs.Reply {
        try check(call.externalIDs.count, "external_ids", least: 1)
        return try await store.removeExternalIDs(
            call.externalIDs, request: try RequestKey(call), in: context.session.workspaceID,
            deadline: context.deadline)
    }

    private func check(_ count: Int, _ field: String, least: Int) throws {
        guard count >= least else { throw RPCError(.invalidArgument, "\(field) is empty") }
        guard count <= Limits.renamesAtOnce.value else {
            throw RPCError(
                .invalidArgument, "\(field) has more than \(Limits.renamesAtOnce.value) entries")
        }
    }
}
