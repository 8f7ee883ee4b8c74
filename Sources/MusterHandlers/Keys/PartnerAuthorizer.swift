public import MusterProtocol
public import MusterStore

/// Decides whether a data import key may act for a partner: the key must belong to the partner, the partner must send
/// its own key if the operator gave it one, and it must be enabled. Decides for each request, so that a change applies
/// from the next one.
public struct PartnerAuthorizer: Sendable {
    /// Whether a request is admitted, or the reason for its refusal.
    public enum Decision: Sendable {
        case admitted
        /// The key is not a data import key, or belongs to another partner. The caller is not told which.
        case notThePartners
        /// The operator set a `partner_api_key`, and the request has another one or none.
        case wrongPartnerAPIKey
        case disabled
    }

    /// Finds the operator's settings for a partner of a workspace; nil if there is no such partner.
    public typealias Find =
        @Sendable (_ partner: String, WorkspaceID, _ deadline: ContinuousClock.Instant) async throws ->
        PartnerAdmission?

    private let find: Find

    /// Makes an authorizer that reads partners by `find`.
    public init(find: @escaping Find) { self.find = find }

    /// Makes an authorizer that reads the partners of this store.
    public init(store: Store) {
        self.init { partner, workspace, deadline in
            try await store.in(WorkspaceScope(workspace, deadline: deadline)).partners.admission(of: partner)
        }
    }

    /// - Parameter partnerAPIKey: the key that the partner sent; nil if it sent none, or a malformed one.
    public func authorize(
        _ session: Session, as partner: String, partnerAPIKey: String?, deadline: ContinuousClock.Instant
    ) async throws(RPCError) -> Decision {
        // Compares bytes: `String` treats some non-ASCII characters as equal to ASCII ones.
        guard session.kind == .import, let own = session.partner, own.utf8.elementsEqual(partner.utf8) else {
            return .notThePartners
        }
        let found: PartnerAdmission?
        do { found = try await find(own, session.workspaceID, deadline) } catch {
            throw RPCError(handling: error)
        }
        guard let found else { return .notThePartners }
        if let digest = found.apiKeyDigest {
            let sent: [UInt8]
            do { sent = try Secret.digest(of: partnerAPIKey ?? "") } catch { throw RPCError(handling: error) }
            if !Secret.isSame(digest, sent) { return .wrongPartnerAPIKey }
        }
        return found.isEnabled ? .admitted : .disabled
    }
}
