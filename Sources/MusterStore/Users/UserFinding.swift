public import MusterProtocol
import Postgres

/// What a call that names one or two users is refused for.
public enum UserRefusal: Error, Sendable, Equatable {
    /// Nobody is found by it: the name of the call's field.
    case unknown(String)
    /// The user to merge is the user to keep.
    case sameUser
    /// The user to identify has an external id already, and not this one.
    case otherExternalID
    /// The kept user would have more than this.
    case tooMany(Limit)
}

/// A workspace without the rows that every workspace has.
struct UnfinishedWorkspace: Error {}

/// References to users by kind, as statements want them, each with its place among all.
struct ReferencesByKind {
    var externalIDs = (names: IdentifierList(), places: [Int32]())
    var aliases = (labels: IdentifierList(), names: IdentifierList(), places: [Int32]())
    var devices = (names: IdentifierList(), places: [Int32]())

    init(_ references: [UserReference]) {
        for (place, reference) in references.enumerated() {
            let place = Int32(truncatingIfNeeded: place)
            switch reference {
            case .externalID(let id):
                externalIDs.names.append(id)
                externalIDs.places.append(place)
            case .alias(let alias):
                aliases.labels.append(alias.label)
                aliases.names.append(alias.name)
                aliases.places.append(place)
            case .deviceID(let id):
                devices.names.append(id)
                devices.places.append(place)
            }
        }
    }
}

extension Connection {
    /// Whom each reference means; nil: nobody.
    ///
    /// `LIMIT 1` changes no answer, since each is unique: it keeps the planner from turning the join round, which it would for a table that
    /// it takes for small, and then go through all identifiers for each user.
    borrowing func find(_ references: [UserReference], in workspace: WorkspaceID) throws -> [Int32?] {
        var found = [Int32?](repeating: nil, count: references.count)
        guard !references.isEmpty else { return found }
        let kinds = ReferencesByKind(references)
        try forEach(
            """
            SELECT w.place, u.user_number
            FROM unnest(\(kinds.externalIDs.names.textArray), \(kinds.externalIDs.places)) w (external_id, place)
            CROSS JOIN LATERAL (
                SELECT x.user_number FROM registered_user x
                WHERE x.workspace_id = \(workspace) AND x.external_id = w.external_id LIMIT 1) u
            UNION ALL
            SELECT w.place, a.user_number
            FROM unnest(\(kinds.aliases.labels.textArray), \(kinds.aliases.names.textArray), \(kinds.aliases.places))
                w (alias_label, alias_name, place)
            CROSS JOIN LATERAL (
                SELECT x.user_number FROM user_alias x WHERE x.workspace_id = \(workspace)
                    AND x.alias_label = w.alias_label AND x.alias_name = w.alias_name LIMIT 1) a
            UNION ALL
            SELECT w.place, d.user_number
            FROM unnest(\(kinds.devices.names.textArray), \(kinds.devices.places)) w (device_id, place)
            CROSS JOIN LATERAL (
                SELECT x.user_number FROM user_device x
                WHERE x.workspace_id = \(workspace) AND x.device_id = w.device_id LIMIT 1) d
            """
        ) { row in found[Int(try row.value(0, as: Int32.self))] = try row.value(1, as: Int32.self) }
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
