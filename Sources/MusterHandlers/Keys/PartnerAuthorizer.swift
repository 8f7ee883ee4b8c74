public import MusterProtocol
public import MusterStore

/// Decides whether a data import key may act for a partner: the key must belong to the partner, the partner must send
/// its own key if the operator gave it one, and it must be enabled. Asked for every request, so that a change holds
/// from the next one.
public struct PartnerAuthorizer: Sendable {
    /// Whether a request may go on, and why not.
    public enum Decision: Sendable {
        case admitted
        /// The key is no data import key, or belongs to another partner. The caller is not told which.
        case notThePartners
        /// The operator set a `partner_api_key`, and this is not it.
        case wrongPartnerAPIKey
        case disabled
    }

    /// What the operator set for a partner of a workspace; nil if there is no such partner.
    public typealias Find =
        @Sendable (_ partner: String, WorkspaceID, _ deadline: ContinuousClock.Instant) async throws ->
        PartnerAdmission?

    private let find: Find

    /// An authorizer that reads partners by `find`.
    public init(find: @escaping Find) { self.find = find }

    /// An authorizer that reads the partners of this store.
    public init(store: Store) {
        self.init { partner, workspace, deadline in
            try await store.in(WorkspaceScope(workspace, deadline: deadline)).partners.admission(of: partner)
        }
    }

    /// - Parameter partnerAPIKey: what the partner sent; nil if it sent nothing, or nothing that could be a key.
    public func authorize(
        _ session: Session, as partner: String, partnerAPIKey: String?, deadline: ContinuousClock.Instant
    ) async throws(RPCError) -> Decision {
        // By bytes: a `String` takes some characters outside of ASCII for equal to some inside.
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
