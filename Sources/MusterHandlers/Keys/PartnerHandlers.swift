public import MusterProtocol
public import MusterStore

/// Creates, changes and shows partners.
public struct PartnerHandlers: Sendable {
    let store: Store
    let restURL: String?

    /// - Parameter restURL: the address at which partners reach the REST endpoint, without a trailing slash; nil if not
    ///   set.
    public init(store: Store, restURL: String?) {
        self.store = store
        self.restURL = restURL
    }

    /// `partners.set`
    public func set(_ call: SetPartner, _ context: CallContext) async throws -> SetPartner.Reply {
        try check(partner: call.partner)
        if let name = call.displayName { try check(name: name, "display_name") }
        let change = PartnerChange(
            displayName: call.displayName, enabled: call.enabled, apiKey: try apiKey(call.partnerAPIKey))
        return try await store.in(context.scope).partners.set(call.partner, change, at: .now)
    }

    /// `partners.list`
    public func list(_ call: ListPartners, _ context: CallContext) async throws -> ListPartners.Reply {
        let (partners, next) = try await PageTokens(store, context).page(of: call) {
            PartnerPosition(partner: $0.partner)
        } find: { after, limit in
            try await store.in(context.scope).partners.list(after: after?.partner, limit: limit)
        }
        return .init(partners: partners, nextPageToken: next)
    }

    /// `partners.get`
    public func get(_ call: GetPartner, _ context: CallContext) async throws -> GetPartner.Reply {
        try check(partner: call.partner)
        let workspace = store.in(context.scope)
        guard let found = try await workspace.partners.get(call.partner) else {
            throw RPCError(
                .notFound, .unknownPartner, field: "partner",
                "there is no partner of this name; partners.list shows all")
        }
        let keys = try await workspace.keys.live(
            of: call.partner, at: .now, limit: Limits.partnerKeysShown.value)
        return .init(
            partner: found.partner, restURL: restURL.map { "\($0)/partners/\(call.partner)/cohorts" },
            keys: keys, cohorts: found.cohorts, lastImportAt: found.lastImportAt)
    }

    /// A partner API key is the partner's own, so only a minimum length is required, against guessing.
    private func apiKey(_ text: String?) throws -> PartnerChange.APIKey? {
        guard let text else { return nil }
        if text.isEmpty { return PartnerChange.APIKey.none }
        guard (16...Limits.nameBytes.value).contains(text.utf8.count) else {
            let problem = "must have 16 to \(Limits.nameBytes.value) bytes, or none to end it"
            throw text.utf8.count < 16
                ? RPCError.invalid("partner_api_key", .outOfRange, problem)
                : RPCError.over(Limits.nameBytes, "partner_api_key", .tooLong, problem)
        }
        // White space and control characters would have to be in each request too, and are invisible in a form.
        guard text.withoutWhiteSpaceAround == text, text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw RPCError.invalid(
                "partner_api_key", .invalidCharacters, "has white space around it or control characters in it")
        }
        return .digest(try Secret.digest(of: text))
    }
}

/// The partner after which a page begins.
private struct PartnerPosition: Codable {
    var partner: String
}

extension KeyInfo {
    /// Whether calls with this key are accepted.
    func isLive(at moment: Instant) -> Bool {
        invalidatedAt == nil && (expiresAt.map { moment < $0 } ?? true)
    }
}
