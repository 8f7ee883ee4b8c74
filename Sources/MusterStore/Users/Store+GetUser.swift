public import MusterProtocol
import Postgres

extension Store {
    /// One user with everything; nil: nobody.
    public func user(
        _ reference: UserReference, in workspace: WorkspaceID, deadline: ContinuousClock.Instant
    ) async throws -> GetUser.Reply? {
        var (externalID, alias, device): (Identifier?, Alias?, Identifier?)
        switch reference {
        case .externalID(let id): externalID = id
        case .alias(let named): alias = named
        case .deviceID(let id): device = id
        }
        return try await read(
            in: workspace, deadline: deadline,
            """
            SELECT u.external_id,
                ARRAY(SELECT a.alias_label FROM user_alias a WHERE a.workspace_id = \(workspace)
                    AND a.user_number = u.user_number ORDER BY a.alias_label),
                ARRAY(SELECT a.alias_name FROM user_alias a WHERE a.workspace_id = \(workspace)
                    AND a.user_number = u.user_number ORDER BY a.alias_label),
                ARRAY(SELECT d.device_id FROM user_device d WHERE d.workspace_id = \(workspace)
                    AND d.user_number = u.user_number ORDER BY d.device_id),
                u.attributes, u.created_at, u.updated_at
            FROM (
                SELECT x.user_number FROM registered_user x
                WHERE x.workspace_id = \(workspace) AND x.external_id = \(externalID)
                UNION ALL
                SELECT a.user_number FROM user_alias a
                WHERE a.workspace_id = \(workspace) AND a.alias_label = \(alias?.label) AND a.alias_name = \(alias?.name)
                UNION ALL
                SELECT d.user_number FROM user_device d
                WHERE d.workspace_id = \(workspace) AND d.device_id = \(device)
            ) found
            JOIN registered_user u ON u.workspace_id = \(workspace) AND u.user_number = found.user_number
            """
        ) { row in try GetUser.Reply(row) }.first
    }
}

extension GetUser.Reply {
    fileprivate init(_ row: borrowing Row) throws {
        let labels: [Identifier] = try row.value(1)
        let names: [Identifier] = try row.value(2)
        self.init(
            externalID: try row.value(0), aliases: zip(labels, names).map(Alias.init), deviceIDs: try row.value(3),
            attributes: try Attributes(stored: try row.value(4, as: JSONB.self).bytes), createdAt: try row.value(5),
            updatedAt: try row.value(6))
    }
}
