public import MusterProtocol
import MusterUsers
import Postgres

extension UserStore {
    /// One user with all its data; nil if no user matches.
    public func get(
        _ reference: UserReference
    ) async throws -> GetUser.Reply? {
        guard let found = UserLookup([reference]).users(in: workspace, deprecated: true) else { return nil }
        var sql: SQL = """
            SELECT u.external_id,
                ARRAY(SELECT a.alias_label FROM user_alias a WHERE a.workspace_id = \(workspace)
                    AND a.user_number = u.user_number ORDER BY a.alias_label),
                ARRAY(SELECT a.alias_name FROM user_alias a WHERE a.workspace_id = \(workspace)
                    AND a.user_number = u.user_number ORDER BY a.alias_label),
                ARRAY(SELECT d.device_id FROM user_device d WHERE d.workspace_id = \(workspace)
                    AND d.user_number = u.user_number ORDER BY d.device_id),
                ARRAY(SELECT e.external_id FROM deprecated_external_id e WHERE e.workspace_id = \(workspace)
                    AND e.user_number = u.user_number ORDER BY e.external_id),
                u.braze_id, u.attributes, u.created_at, u.updated_at
            FROM (
            """
        sql += found
        sql += """
            ) found
            JOIN registered_user u ON u.workspace_id = \(workspace) AND u.user_number = found.user_number
            """
        return try await read(sql) { row in try GetUser.Reply(row) }.first
    }
}

extension GetUser.Reply {
    fileprivate init(_ row: borrowing Row) throws {
        let labels: [Identifier] = try row.value(1)
        let names: [Identifier] = try row.value(2)
        self.init(
            externalID: try row.value(0), deprecatedExternalIDs: try row.value(4), brazeID: try row.value(5),
            aliases: zip(labels, names).map(Alias.init), deviceIDs: try row.value(3),
            attributes: try Attributes(stored: try row.value(6, as: JSONB.self).bytes), createdAt: try row.value(7),
            updatedAt: try row.value(8))
    }
}
