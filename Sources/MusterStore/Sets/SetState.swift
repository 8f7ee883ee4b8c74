import MusterSets

/// Identifies a set of a workspace.
struct SetKey: Hashable, Sendable {
    let workspace: WorkspaceID
    let number: Int32

    /// All users: the universe of `not`, and the head that assigns user numbers.
    static func everyone(of workspace: WorkspaceID) -> SetKey { SetKey(workspace: workspace, number: Self.everyone) }

    static let everyone: Int32 = 0
    /// A head without members: its version counts the changes of attributes.
    static let attributes: Int32 = 1
    /// A head without members: its version counts the changes of events and purchases.
    static let events: Int32 = 2
    /// A head without members: its version counts the changes that end or move a binding of an identifier to a user.
    static let identity: Int32 = 3
    /// A head without members: its version counts the changes of segments.
    static let definitions: Int32 = 4
    /// A head without members: its version counts the changes of which identifier finds which user.
    static let identifiers: Int32 = 5
}

/// The last change that a set contains. Two histories can share a version number, as after a fail-over to a standby
/// without the last commits; the random tag tells them apart.
struct SetVersion: Hashable, Sendable {
    var version: Int64
    var tag: Int64

    /// The version of every set before its first change.
    static let none = SetVersion(version: 0, tag: 0)
}

/// A set at one version.
struct SetState: Sendable {
    var at: SetVersion
    var members: MemberSet

    static let empty = SetState(at: .none, members: [])
}

/// One row of the log: the users that were actually added and actually removed.
struct SetChange: Sendable {
    var at: SetVersion
    var previousTag: Int64
    var added: MemberSet
    var removed: MemberSet
}

extension SetState {
    /// This state after `changes`, which are in ascending order. Nil if they don't continue from it without a gap, or
    /// belong to another history.
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
