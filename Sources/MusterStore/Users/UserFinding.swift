import MusterProtocol
import MusterUsers
import Postgres

/// A workspace without the rows that every workspace has.
struct UnfinishedWorkspace: Error {}

extension WorkspaceTransaction {
    /// Whom each reference means; nil: nobody.
    ///
    /// Former external ids are looked for only among those that are no user's now: two statements, between which nothing is missed
    /// where the identity row is held, and what is missed raises its counter where it isn't.
    borrowing func find(_ references: [UserReference], in workspace: WorkspaceID) throws -> [UserNumber?] {
        var found = [UserNumber?](repeating: nil, count: references.count)
        let kinds = UserLookup(references)
        guard let sql = kinds.parts(in: workspace, deprecated: false) else { return found }
        try forEach(sql) { row in found[Int(try row.value(0, as: Int32.self))] = try row.value(1, as: UserNumber.self) }
        var unknown = UserLookup.Names()
        for (index, place) in kinds.externalIDs.ordinals.enumerated() where found[Int(place)] == nil {
            kinds.externalIDs.names.withBytes(at: index) { unknown.names.append($0) }
            unknown.ordinals.append(place)
        }
        guard !unknown.ordinals.isEmpty else { return found }
        try forEach(UserLookup.deprecatedPart(unknown, in: workspace)) { row in
            found[Int(try row.value(0, as: Int32.self))] = try row.value(1, as: UserNumber.self)
        }
        return found
    }

    /// While this is held no binding of an identifier to a user ends or moves; new ones may be made.
    borrowing func shareIdentity(in workspace: WorkspaceID) throws {
        let counter = try first(
            """
            SELECT counter FROM identity WHERE workspace_id = \(workspace) FOR SHARE
            """
        ) { row in try row.value(0, as: Int64.self) }
        if counter == nil { throw UnfinishedWorkspace() }
    }

    /// Waits for everybody who has resolved identifiers and keeps others from it; whoever resolved earlier sees it by the counter.
    /// Everyone's head comes with it: all three calls that end or move bindings add an identifier or take out a user.
    borrowing func takeIdentity(in workspace: WorkspaceID) throws -> LockedHead {
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
