import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// The users who have an identifier of a kind. Its set is read anew where any identifier changed.
extension IdentifierFilter: ComputedLeaf {
    static var head: Int32 { SetKey.identifiers }
    var filter: Filter { .identifier(self) }

    static func scan(
        _ leaves: [IdentifierFilter], now: Instant, in transaction: borrowing WorkspaceTransaction
    ) throws -> [IdentifierFilter: ComputedSet] {
        var sets: [IdentifierFilter: ComputedSet] = [:]
        for leaf in leaves {
            var sql: SQL = "SELECT array_send(array_agg(u.user_number)) FROM ("
            sql += leaf.rows(in: transaction.workspace)
            sql += " OFFSET 0) u GROUP BY u.user_number >> 13"
            var numbers: [UInt32] = []
            try transaction.forEach(sql) { row in
                let group = try row.withBytes(0) { bytes in try bytes.map { try [Int32](postgres: $0) } ?? [] }
                numbers += group.map { UInt32(clamping: $0) }
            }
            sets[leaf] = ComputedSet(members: MemberSet(numbers))
        }
        return sets
    }

    static func passing(
        _ leaves: [IdentifierFilter], among users: [UserNumber], now: Instant,
        in transaction: borrowing WorkspaceTransaction
    ) throws -> [IdentifierFilter: MemberSet] {
        var passing: [IdentifierFilter: MemberSet] = [:]
        for leaf in leaves {
            var sql: SQL = "SELECT w.user_number FROM unnest(\(users)) w (user_number) CROSS JOIN LATERAL ("
            sql += leaf.rows(in: transaction.workspace)
            sql += " AND x.user_number = w.user_number LIMIT 1) u"
            passing[leaf] = MemberSet(
                users: try transaction.query(sql) { row in try row.value(0, as: UserNumber.self) })
        }
        return passing
    }

    /// A row `x` for each identifier.
    private func rows(in workspace: WorkspaceID) -> SQL {
        switch (kind, aliasLabel) {
        case (.externalID, _):
            """
            SELECT x.user_number FROM registered_user x
            WHERE x.workspace_id = \(workspace) AND x.external_id IS NOT NULL
            """
        case (.alias, let label?):
            """
            SELECT x.user_number FROM user_alias x WHERE x.workspace_id = \(workspace) AND x.alias_label = \(label)
            """
        case (.alias, nil): "SELECT x.user_number FROM user_alias x WHERE x.workspace_id = \(workspace)"
        case (.deviceID, _): "SELECT x.user_number FROM user_device x WHERE x.workspace_id = \(workspace)"
        }
    }
}
