/// The users of one workspace: their attributes, identifiers and events.
public struct UserStore: ScopedStore {
    let store: Store
    let scope: WorkspaceScope
}

extension WorkspaceStore {
    /// The users of the workspace.
    public var users: UserStore { UserStore(store: store, scope: scope) }
}
