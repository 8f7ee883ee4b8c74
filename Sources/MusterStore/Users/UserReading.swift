import MusterProtocol
import Postgres

extension Connection {
    /// The attributes of users, as JSON.
    borrowing func attributes(of numbers: [Int32], in workspace: WorkspaceID) throws -> [Int32: [UInt8]] {
        guard !numbers.isEmpty else { return [:] }
        var attributes: [Int32: [UInt8]] = [:]
        try forEach(
            """
            SELECT user_number, attributes FROM registered_user
            WHERE workspace_id = \(workspace) AND user_number = ANY (\(numbers))
            """
        ) { row in attributes[try row.value(0)] = try row.value(1, as: JSONB.self).bytes }
        return attributes
    }

    /// Under which labels users have a name.
    borrowing func aliasLabels(of numbers: [Int32], in workspace: WorkspaceID) throws -> [Int32: Set<Identifier>] {
        guard !numbers.isEmpty else { return [:] }
        var labels: [Int32: Set<Identifier>] = [:]
        try forEach(
            """
            SELECT user_number, alias_label FROM user_alias
            WHERE workspace_id = \(workspace) AND user_number = ANY (\(numbers))
            """
        ) { row in labels[try row.value(0), default: []].insert(try row.value(1)) }
        return labels
    }

    /// How many devices users have, those with none left out.
    borrowing func deviceCounts(of numbers: [Int32], in workspace: WorkspaceID) throws -> [Int32: Int] {
        guard !numbers.isEmpty else { return [:] }
        var counts: [Int32: Int] = [:]
        try forEach(
            """
            SELECT user_number, count(*) FROM user_device
            WHERE workspace_id = \(workspace) AND user_number = ANY (\(numbers))
            GROUP BY user_number
            """
        ) { row in counts[try row.value(0)] = try row.value(1) }
        return counts
    }
}
