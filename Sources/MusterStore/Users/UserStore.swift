/// The users of one workspace: what they are, what names them, and what they did.
public struct UserStore: ScopedStore {
    let store: Store
    let scope: WorkspaceScope
}

extension WorkspaceStore {
    /// The users of the workspace.
    public var users: UserStore { UserStore(store: store, scope: scope) }
}
