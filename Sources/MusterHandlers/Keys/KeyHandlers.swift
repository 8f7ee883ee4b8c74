public import MusterProtocol
public import MusterStore

/// Creates, lists and invalidates keys.
public struct KeyHandlers: Sendable {
    let store: Store

    /// Serves the keys of this store.
    public init(store: Store) {
        self.store = store
    }

    /// `keys.create`
    public func create(_ call: CreateKey, _ context: CallContext) async throws -> CreateKey.Reply {
        try check(name: call.name, "name")
        if let expiry = call.expiresAt, expiry <= .now {
            throw RPCError.invalid("expires_at", .outOfRange, "has passed already")
        }
        let scopes = try scopes(of: call)
        for scope in call.kind == .import ? Scope.ofImportKeys : scopes where !context.session.allows(scope) {
            throw RPCError(
                .permissionDenied, .missingScope, field: "scopes",
                "this key lacks the scope \(scope), so it can't give it to another")
        }
        let secret = Secret(call.kind, in: context.session.workspaceID)
        let key = NewKey(
            keyID: Secret.newKeyID(), digest: try secret.digest, kind: call.kind, partner: call.partner,
            name: call.name,
            scopes: scopes, createdAt: .now, createdBy: context.session.keyID, expiresAt: call.expiresAt)
        try await store.in(context.scope).keys.insert(key)
        return .init(keyID: key.keyID, secret: secret.text)
    }

    /// `keys.list`
    public func list(_ call: ListKeys, _ context: CallContext) async throws -> ListKeys.Reply {
        if let partner = call.partner { try check(partner: partner) }
        let (keys, next) = try await PageTokens(store, context).page(of: call) {
            KeyPosition(keyID: $0.keyID)
        } find: { after, limit in
            try await store.in(context.scope).keys.list(of: call.partner, after: after?.keyID, limit: limit)
        }
        return .init(keys: keys, nextPageToken: next)
    }

    /// `keys.invalidate`
    public func invalidate(_ call: InvalidateKey, _ context: CallContext) async throws -> InvalidateKey.Reply {
        let result = try await store.in(context.scope).keys.invalidate(call.keyID, force: call.force ?? false, at: .now)
        switch result {
        case .ended(let moment): return .init(invalidatedAt: moment)
        case .notThere:
            throw RPCError(
                .notFound, .unknownKey, field: "key_id", "there is no key of this key_id; keys.list shows all")
        case .isLastMaster:
            throw RPCError(
                .failedPrecondition, .lastKey, field: "key_id",
                "no other key with the scope * lasts as long as this one, so that nobody could make such a key any more: "
                    + "make another with keys.create first, or pass force")
        }
    }

    /// The scopes to store; empty for a data import key, whose scopes are fixed.
    private func scopes(of call: CreateKey) throws -> [String] {
        switch call.kind {
        case .import:
            guard let partner = call.partner else {
                throw RPCError.invalid("partner", .missing, "is missing: a data import key belongs to one")
            }
            try check(partner: partner)
            guard call.scopes?.isEmpty ?? true else {
                throw RPCError.invalid("scopes", .conflict, "are of service keys only: leave them out")
            }
            return []
        case .service:
            guard call.partner == nil else {
                throw RPCError.invalid("partner", .conflict, "is of data import keys only: leave it out")
            }
            return try Scope.checked(call.scopes ?? [])
        }
    }
}

/// The key after which a page begins.
private struct KeyPosition: Codable {
    var keyID: String
}
