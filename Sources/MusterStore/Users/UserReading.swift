import MusterProtocol
import MusterUsers
import Postgres

extension WorkspaceTransaction {
    /// The attributes of users, as JSON.
    borrowing func attributes(of numbers: [UserNumber]) throws -> [UserNumber: [UInt8]] {
        guard !numbers.isEmpty else { return [:] }
        var attributes: [UserNumber: [UInt8]] = [:]
        try forEach(
            """
            SELECT u.user_number, u.attributes FROM unnest(\(numbers)) n (user_number)
            JOIN registered_user u ON u.workspace_id = \(workspace) AND u.user_number = n.user_number
            """
        ) { row in attributes[try row.value(0)] = try row.value(1, as: JSONB.self).bytes }
        return attributes
    }

    /// The alias labels of users.
    borrowing func aliasLabels(of numbers: [UserNumber]) throws -> [UserNumber: Set<
        Identifier
    >] {
        guard !numbers.isEmpty else { return [:] }
        var labels: [UserNumber: Set<Identifier>] = [:]
        try forEach(
            """
            SELECT a.user_number, a.alias_label FROM unnest(\(numbers)) n (user_number)
            JOIN user_alias a ON a.workspace_id = \(workspace) AND a.user_number = n.user_number
            """
        ) { row in labels[try row.value(0), default: []].insert(try row.value(1)) }
        return labels
    }

    /// The number of devices of each user; users without devices are omitted.
    borrowing func deviceCounts(of numbers: [UserNumber]) throws -> [UserNumber: Int] {
        guard !numbers.isEmpty else { return [:] }
        var counts: [UserNumber: Int] = [:]
        try forEach(
            """
            SELECT d.user_number, count(*) FROM unnest(\(numbers)) n (user_number)
            JOIN user_device d ON d.workspace_id = \(workspace) AND d.user_number = n.user_number
            GROUP BY d.user_number
            """
        ) { row in counts[try row.value(0)] = try row.value(1) }
        return counts
    }

    /// The users in `numbers` that have an external id.
    borrowing func identified(among numbers: [UserNumber]) throws -> Set<UserNumber> {
        Set(
            try query(
                """
                SELECT user_number FROM registered_user
                WHERE workspace_id = \(workspace) AND user_number = ANY (\(numbers)) AND external_id IS NOT NULL
                """
            ) { row in try row.value(0, as: UserNumber.self) })
    }
}
