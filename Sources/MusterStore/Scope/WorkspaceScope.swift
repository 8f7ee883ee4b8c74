import Postgres

/// The workspace, the caller and the deadline of work. Created once, when a call's context is known.
public struct WorkspaceScope: Sendable {
    /// The only workspace whose rows the work sees.
    public let workspace: WorkspaceID
    /// After the deadline no caller waits for the result: no work starts, and a running statement is cancelled.
    public let deadline: ContinuousClock.Instant
    /// How long to wait for each lock of another transaction; nil keeps the database's setting.
    public let lockWait: Duration?
    /// The caller whose turns and slots the work uses.
    let caller: Caller

    /// The scope of one call.
    ///
    /// Create a new one for each call: only the first work of a call may be refused for lack of capacity.
    public init(_ workspace: WorkspaceID, keyID: String, lockWait: Duration? = nil, deadline: ContinuousClock.Instant) {
        self.workspace = workspace
        self.deadline = deadline
        self.lockWait = lockWait
        caller = Caller(group: Int64(workspace.rawValue), member: Int64(keyID.hashValue))
    }

    /// The scope of work that belongs to no call, such as maintenance.
    ///
    /// It takes turns with the workspace's calls and is never refused for lack of capacity: there is little such work
    /// at a time, and no caller to retry it.
    public init(_ workspace: WorkspaceID, deadline: ContinuousClock.Instant) {
        self.workspace = workspace
        self.deadline = deadline
        lockWait = nil
        caller = Caller(group: Int64(workspace.rawValue), hasBegun: true)
    }

    private init(_ scope: WorkspaceScope, deadline: ContinuousClock.Instant) {
        (workspace, lockWait, caller) = (scope.workspace, scope.lockWait, scope.caller)
        self.deadline = deadline
    }

    /// The same scope with another deadline.
    func until(_ deadline: ContinuousClock.Instant) -> WorkspaceScope { WorkspaceScope(self, deadline: deadline) }

    /// The settings that row-level security reads: the transaction sees this workspace and no other.
    var variables: [(String, String)] { [("muster.workspace", String(workspace.rawValue))] }

    /// At least one, since 0 means no limit in PostgreSQL.
    var lockTimeoutMilliseconds: Int? { lockWait.map { max(1, Int($0 / .milliseconds(1))) } }
}
