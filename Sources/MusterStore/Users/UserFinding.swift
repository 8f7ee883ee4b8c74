import MusterProtocol
import MusterUsers
import Postgres

/// A workspace without the rows that every workspace has.
struct UnfinishedWorkspace: Error {}

extension WorkspaceTransaction {
    /// The user that each reference means; nil: nobody.
    borrowing func find(_ references: [UserReference]) throws -> [UserNumber?] {
        var found = [UserNumber?](repeating: nil, count: references.count)
        try find(UserLookup(references)) { found[$0] = $1 }
        return found
    }

    /// Passes the user of each reference that means one to `found`, by the ordinal of the reference.
    ///
    /// Looks for deprecated external ids only among those that are no user's now. Nothing changes between the two
    /// statements where the identity row is held; where it isn't, its counter shows that something did.
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

    /// Locks the identity row for sharing: until the commit no identifier is taken from a user. New ones may be
    /// added.
    borrowing func shareIdentity() throws {
        let counter = try first(
            """
            SELECT counter FROM identity WHERE workspace_id = \(workspace) FOR SHARE
            """
        ) { row in try row.value(0, as: Int64.self) }
        if counter == nil { throw UnfinishedWorkspace() }
    }

    /// Locks the identity row exclusively and raises its counter, so that imports which resolved identifiers earlier
    /// notice and resolve again. Locks everyone's head too, since most calls that take identifiers from users need
    /// it.
    borrowing func takeIdentity() throws -> LockedHead {
        let counter = try first(
            """
            UPDATE identity SET counter = counter + 1 WHERE workspace_id = \(workspace)
            RETURNING counter
            """
        ) { row in try row.value(0, as: Int64.self) }
        guard counter != nil, let everyone = try lockHead(.everyone(of: workspace)) else { throw UnfinishedWorkspace() }
        return everyone
    }
}
