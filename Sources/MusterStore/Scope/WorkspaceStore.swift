public import Postgres

/// One workspace in one scope. Each noun adds its store, in its own folder.
public struct WorkspaceStore: ScopedStore {
    let store: Store
    let scope: WorkspaceScope
}

extension Store {
    /// The stores of one workspace for one call, or for work that belongs to no call.
    public func `in`(_ scope: WorkspaceScope) -> WorkspaceStore { WorkspaceStore(store: self, scope: scope) }

    /// The error with which a call that begins with a write would be refused now; nil if none. It counts as refused.
    public func overload(of scope: WorkspaceScope) -> PostgresError? {
        database.overload(ofWritingFor: scope.caller, deadline: scope.deadline)
    }
}
