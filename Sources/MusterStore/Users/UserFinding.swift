import MusterProtocol
import MusterUsers
import Postgres

/// A workspace lacks rows that every workspace has.
struct UnfinishedWorkspace: Error {}

extension WorkspaceTransaction {
    /// The user that each reference means; nil if there is no such user.
    borrowing func find(_ references: [UserReference]) throws -> [UserNumber?] {
        var found = [UserNumber?](repeating: nil, count: references.count)
        try find(UserLookup(references)) { found[$0] = $1 }
        return found
    }

    /// Passes each user found to `found`, with the ordinal of the reference.
    ///
    /// Looks up as deprecated only the external ids that no user has now. If the head of identity is held, nothing
    /// changes between the two statements. If it isn't, its version reveals a change.
    borrowing func find(
        _ lookup: UserLookup, _ found: (_ ordinal: Int, UserNumber) -> Void
    ) throws {
        guard let sql = lookup.users(in: workspace, deprecated: false) else { return }
        var isKnown = [Bool](repeating: false, count: lookup.externalIDs.ordinals.max().map { Int($0) + 1 } ?? 0)
        func pass(_ row: borrowing Row) throws {
            let ordinal = Int(try row.value(0, as: Int32.self))
            if ordinal < isKnown.count { isKnown[ordinal] = true }
            found(ordinal, try row.value(1))
        }
        try forEach(sql, pass)
        var unknown = UserLookup()
        for (index, ordinal) in lookup.externalIDs.ordinals.enumerated() where !isKnown[Int(ordinal)] {
            lookup.externalIDs.names.withBytes(at: index) { unknown.externalIDs.names.append($0) }
            unknown.externalIDs.ordinals.append(ordinal)
        }
        if !unknown.externalIDs.isEmpty { try forEach(unknown.usersByDeprecatedID(in: workspace), pass) }
    }

    /// Locks the head of identity in shared mode: until the commit no identifier is taken from a user. New ones may be
    /// added.
    @discardableResult
    borrowing func shareIdentity() throws -> SetVersion {
        let identity = try first(
            """
            SELECT version, tag FROM set_head
            WHERE workspace_id = \(workspace) AND set_number = \(SetKey.identity) FOR SHARE
            """
        ) { row in SetVersion(version: try row.value(0), tag: try row.value(1)) }
        guard let identity else { throw UnfinishedWorkspace() }
        return identity
    }

    /// Locks the head of identity exclusively and raises it, so that imports which resolved identifiers earlier notice
    /// and resolve again. Locks everyone's head too, since most calls that take identifiers from users need it.
    borrowing func takeIdentity() throws -> LockedHead {
        let version = try first(
            """
            UPDATE set_head SET version = version + 1, tag = \(SetVersion.newTag())
            WHERE workspace_id = \(workspace) AND set_number = \(SetKey.identity) RETURNING version
            """
        ) { row in try row.value(0, as: Int64.self) }
        guard version != nil, let everyone = try lockHead(.everyone(of: workspace)) else { throw UnfinishedWorkspace() }
        return everyone
    }
}
