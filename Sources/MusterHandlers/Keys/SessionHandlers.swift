public import MusterProtocol
public import MusterStore

/// Authenticates the key of `session.open`.
public struct SessionHandlers: Sendable {
    let store: Store
    let monitor: KeyRevocationMonitor

    /// - Parameter monitor: watches the key of each opened session.
    public init(store: Store, monitor: KeyRevocationMonitor) {
        self.store = store
        self.monitor = monitor
    }

    /// `session.open`. A malformed secret costs no query. All refusals have the same message.
    public func open(
        _ call: OpenSession, deadline: ContinuousClock.Instant
    ) async throws -> (Session, OpenSession.Reply) {
        guard let secret = Secret(call.key) else { throw Self.refusal }
        let (digest, asked) = (try secret.digest, ContinuousClock.now)
        let found = try await store.in(WorkspaceScope(secret.workspace, deadline: deadline)).keys.find(digest: digest)
        // Always compares, so that the time reveals nothing.
        let isSame = Secret.isSame(found?.digest ?? Self.nobody, digest)
        guard let found, isSame, found.info.kind == secret.kind, found.info.isLive(at: .now) else { throw Self.refusal }
        let key = monitor.watch(found.info.keyID, in: secret.workspace, provedAt: asked)
        let session = Session(found, in: secret.workspace, watched: key)
        return (
            session,
            .init(
                workspace: session.workspace, keyID: session.keyID, scopes: session.scopes, partner: session.partner)
        )
    }

    /// The error for a key that is unknown, invalidated, expired, malformed or of another workspace. The caller is not
    /// told which.
    static let refusal = RPCError(.unauthenticated, "the key is not valid")

    private static let nobody = [UInt8](repeating: 0, count: 32)
}

extension Session {
    fileprivate convenience init(_ key: StoredKey, in workspace: WorkspaceID, watched: WatchedKey) {
        self.init(
            workspaceID: workspace, workspace: key.workspace, keyID: key.info.keyID, kind: key.info.kind,
            partner: key.info.partner, scopes: key.info.kind == .import ? Scope.ofImportKeys : key.info.scopes,
            expiresAt: key.info.expiresAt, watchedKey: watched)
    }
}
