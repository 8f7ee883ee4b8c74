public import MusterProtocol
public import MusterStore

/// The context in which a handler runs a call. One per call, which closures and tasks refer to.
public final class CallContext: Sendable {
    public let session: Session
    /// The workspace scope of the call, with its deadline.
    public let scope: WorkspaceScope
    /// The caller stops waiting at this time: no work starts after it, and a running statement is cancelled.
    public let deadline: ContinuousClock.Instant
    /// The longest wait for each lock that another call holds; nil means the server's setting.
    public let lockWait: Limit?
    /// When the session's key was last proved to be live, if that was for this request. While recent it is not proved
    /// again.
    public let provedAt: ContinuousClock.Instant?
    /// When the call began. Handlers may go by it instead of the clock.
    public let startedAt: ContinuousClock.Instant

    public init(
        session: Session, deadline: ContinuousClock.Instant, lockWait: Limit? = nil,
        provedAt: ContinuousClock.Instant? = nil, startedAt: ContinuousClock.Instant = .now
    ) {
        self.session = session
        self.startedAt = startedAt
        self.deadline = deadline
        self.lockWait = lockWait
        self.provedAt = provedAt
        scope = WorkspaceScope(of: session, lockWait: lockWait, deadline: deadline)
    }
}

extension WorkspaceScope {
    /// The scope of a call that comes over `session`.
    init(of session: Session, lockWait: Limit? = nil, deadline: ContinuousClock.Instant) {
        self.init(
            session.workspaceID, keyID: session.keyID, lockWait: lockWait.map { .milliseconds($0.value) },
            deadline: deadline)
    }
}
