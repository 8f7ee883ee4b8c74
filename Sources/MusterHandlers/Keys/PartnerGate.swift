public import MusterProtocol
public import MusterStore

/// Judges whether the owner of a data import key may act for a partner: the key must be that partner's, the partner must prove itself
/// where the operator gave it a key of its own, and be enabled. Asked for every request, so that a change holds from the next one on.
public struct PartnerGate: Sendable {
    /// What came of it.
    public enum Judgement: Sendable {
        case admitted
        /// The key is no data import key, or that of another partner: nothing more is said of either.
        case notThePartners
        /// The operator set a `partner_api_key`, and this is not it.
        case wrongPartnerAPIKey
        case disabled
    }

    /// What the operator decided about a partner of a workspace; nil where there is none of that name.
    public typealias Find =
        @Sendable (_ partner: String, WorkspaceID, _ deadline: ContinuousClock.Instant) async throws ->
        PartnerAdmission?

    private let find: Find

    /// Asks this for the partners.
    public init(find: @escaping Find) { self.find = find }

    /// Over the partners of this store.
    public init(store: Store) {
        self.init { partner, workspace, deadline in
            try await store.in(WorkspaceScope(workspace, deadline: deadline)).partners.admission(of: partner)
        }
    }

    /// - Parameter partnerAPIKey: what the partner sent; nil is nothing, or nothing that could be one.
    public func judge(
        _ session: Session, as partner: String, partnerAPIKey: String?, deadline: ContinuousClock.Instant
    ) async throws(RPCError) -> Judgement {
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
