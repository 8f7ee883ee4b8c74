import MusterSets

/// A set of a workspace.
struct SetKey: Hashable, Sendable {
    let workspace: WorkspaceID
    let number: Int32

    /// All users: the universe of `not`, and the head under which user numbers are given out.
    static func everyone(of workspace: WorkspaceID) -> SetKey { SetKey(workspace: workspace, number: Self.everyone) }

    static let everyone: Int32 = 0
    /// A head without members: its version counts the changes of attributes.
    static let attributes: Int32 = 1
    /// A head without members: its version counts the changes of events and purchases.
    static let events: Int32 = 2
}

/// Which change a set is at. The version alone does not tell two histories apart that share it, as after a fail-over to
/// a standby that had not seen the last commits; the random tag does.
struct SetVersion: Hashable, Sendable {
    var version: Int64
    var tag: Int64

    /// Of every set before its first change.
    static let none = SetVersion(version: 0, tag: 0)
}

/// A set as it was at one version.
struct SetState: Sendable {
    var at: SetVersion
    var members: MemberSet

    static let empty = SetState(at: .none, members: [])
}

/// One row of the log: what was really added and really removed.
struct SetChange: Sendable {
    var at: SetVersion
    var previousTag: Int64
    var added: MemberSet
    var removed: MemberSet
}

extension SetState {
    /// This state after `changes`, which are in ascending order; nil where they don't go on from here without a gap, or
    /// where they come from another history.
    func applying(_ changes: [SetChange]) -> SetState? {
        var state = self
        for change in changes {
            guard change.at.version == state.at.version + 1, change.previousTag == state.at.tag else { return nil }
            state.members.apply(added: change.added, removed: change.removed)
            state.at = change.at
        }
        return state
    }

    /// This state before `changes`, which are in ascending order and end here: effective changes are their own inverse.
    func undoing(_ changes: [SetChange]) -> SetState? {
        var state = self
        for change in changes.reversed() {
            guard change.at == state.at else { return nil }
            state.members.apply(added: change.removed, removed: change.added)
            state.at = SetVersion(version: change.at.version - 1, tag: change.previousTag)
        }
        return state
    }
}
