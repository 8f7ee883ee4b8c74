public import MusterProtocol
public import MusterStore
import MusterUsers

/// Handles the calls `users.*`, except exports.
public struct UserHandlers: Sendable {
    let store: Store

    /// Serves the users of this store.
    public init(store: Store) {
        self.store = store
    }

    /// `users.upsert`
    public func upsert(_ call: UpsertUsers, _ context: CallContext) async throws -> UpsertUsers.Reply {
        try check(call.users.count, of: "users", atMost: Limits.upsertUsers)
        return try await users(context).upsert(call.users, request: try IdempotencyKey(call))
    }

    /// `users.get`
    public func get(_ call: GetUser, _ context: CallContext) async throws -> GetUser.Reply {
        try check(call.user, "user")
        let found = try await users(context).get(call.user)
        guard let found else { throw RPCError(UserRefusal.unknown("user")) }
        return found
    }

    /// `users.identify`
    public func identify(_ call: IdentifyUser, _ context: CallContext) async throws -> IdentifyUser.Reply {
        try check(call.user, "user")
        if let problem = call.externalID.problem() { throw RPCError(problem, at: "external_id") }
        let request = try IdempotencyKey(call)
        return try await answering {
            try await users(context).identify(
                call.user, as: call.externalID, mergeWhen: call.mergeWhen ?? .always, request: request)
        }
    }

    /// `users.merge`
    public func merge(_ call: MergeUsers, _ context: CallContext) async throws -> MergeUsers.Reply {
        try check(call.merge, "merge")
        try check(call.keep, "keep")
        let request = try IdempotencyKey(call)
        return try await answering {
            try await users(context).merge(call.merge, into: call.keep, request: request)
        }
    }

    /// `users.delete`. Doesn't check identifiers: an invalid one matches no user, which this call allows.
    public func delete(_ call: DeleteUsers, _ context: CallContext) async throws -> DeleteUsers.Reply {
        try check(call.users.count, of: "users", atMost: Limits.deleteUsers)
        return try await users(context).delete(call.users, request: try IdempotencyKey(call))
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
    public func renameExternalIDs(
        _ call: RenameExternalIDs, _ context: CallContext
    ) async throws -> RenameExternalIDs.Reply {
        try checkNotEmpty(call.renames.count, "external_id_renames")
        return try await users(context).renameExternalIDs(call.renames, request: try IdempotencyKey(call))
    }

    /// `users.external_ids.remove`
    public func removeExternalIDs(
        _ call: RemoveExternalIDs, _ context: CallContext
    ) async throws -> RemoveExternalIDs.Reply {
        try checkNotEmpty(call.externalIDs.count, "external_ids")
        return try await users(context).removeExternalIDs(call.externalIDs, request: try IdempotencyKey(call))
    }

    private func users(_ context: CallContext) -> UserStore { store.in(context.scope).users }

    private func answering<R>(_ body: () async throws -> R) async throws -> R {
        do { return try await body() } catch let refusal as UserRefusal { throw RPCError(refusal) }
    }

    private func checkNotEmpty(_ count: Int, _ field: String) throws {
        guard count > 0 else { throw RPCError.invalid(field, .empty, "is empty") }
        try check(count, of: field, atMost: Limits.registryEntries)
    }
}

/// Throws if the identifier by which a call names a user is invalid.
func check(_ reference: UserReference, _ field: String) throws {
    let (name, problem): (String, FieldProblem?) =
        switch reference {
        case .externalID(let id): ("external_id", id.problem())
        case .alias(let alias): ("alias", alias.problem)
        case .deviceID(let id): ("device_id", id.problem())
        case .brazeID(let id): ("braze_id", id.problem())
        case .email(let contact): ("email", ContactKind.email.normalized(contact.value).problem())
        case .phone(let contact): ("phone", ContactKind.phone.normalized(contact.value).problem())
        }
    if let problem { throw RPCError(problem, at: "\(field).\(name)") }
}

extension RPCError {
    fileprivate init(_ refusal: UserRefusal) {
        switch refusal {
        case .unknown(let field):
            self.init(.notFound, .unknownUser, field: field, "there is no user as \(field) names one")
        case .sameUser:
            self.init(.invalidArgument, .sameUser, field: "keep", "merge and keep are the same user")
        case .otherExternalID:
            self.init(
                .failedPrecondition, .hasExternalID, field: "user", "the user has another external_id already")
        case .tooMany(let limit):
            self.init(
                .failedPrecondition, .tooMany, limit: limit,
                "the kept user would have more than \(limit.described); nothing was changed")
        }
    }
}
