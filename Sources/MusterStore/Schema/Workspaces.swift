public import MusterProtocol
import MusterUsers
import Postgres

/// A workspace in a listing.
public struct WorkspaceInfo: Sendable, Equatable {
    public let id: WorkspaceID
    public let name: String
    public let createdAt: Instant
}

extension Schema {
    /// Creates a workspace with the rows that every workspace has, and its first key. Nil if the name is in use.
    ///
    /// - Parameter firstKey: makes the key. Its secret contains the number of the workspace, so it can't be made
    ///   earlier.
    public func createWorkspace(
        name: String, at moment: Instant, deadline: ContinuousClock.Instant,
        firstKey: @escaping @Sendable (WorkspaceID) throws -> NewKey
    ) async throws -> WorkspaceID? {
        let (pageTokenKey, digestKey) = (randomBytes(32), randomBytes(IdentifierDigestKey.byteCount))
        return try await database.transaction(deadline: deadline) { connection in
            let made: WorkspaceID? = try connection.first(
                """
                INSERT INTO workspace (name, created_at) VALUES (\(name), \(moment))
                ON CONFLICT (name) DO NOTHING RETURNING workspace_id
                """
            ) { row in try row.value(0) }
            guard let workspace = made else { return nil }
            try connection.execute(
                """
                INSERT INTO set_head (workspace_id, set_number, kind, next_user_number)
                VALUES (\(workspace), 0, 'everyone', 0), (\(workspace), 1, 'attributes', NULL),
                    (\(workspace), 2, 'events', NULL), (\(workspace), 3, 'identity', NULL),
                    (\(workspace), 4, 'definitions', NULL), (\(workspace), 5, 'identifiers', NULL)
                """)
            try connection.execute(
                "INSERT INTO page_token_key (workspace_id, key) VALUES (\(workspace), \(pageTokenKey))")
            try connection.execute(
                "INSERT INTO identifier_digest_key (workspace_id, key) VALUES (\(workspace), \(digestKey))")
            try WorkspaceTransaction.over(connection, in: workspace) { try $0.insert(firstKey(workspace)) }
            return workspace
        }
    }

    /// Creates a key in a workspace as the owner of the tables, for when no key can create one. Nil if there is no such
    /// workspace.
    ///
    /// - Parameter make: makes the key, whose secret contains the number of the workspace.
    public func createKey(
        inWorkspaceNamed name: String, deadline: ContinuousClock.Instant,
        make: @escaping @Sendable (WorkspaceID) throws -> NewKey
    ) async throws -> WorkspaceID? {
        try await database.transaction(deadline: deadline) { connection in
            let found: WorkspaceID? = try connection.first(
                "SELECT workspace_id FROM workspace WHERE name = \(name)"
            ) { row in try row.value(0) }
            if let found { try WorkspaceTransaction.over(connection, in: found) { try $0.insert(make(found)) } }
            return found
        }
    }

    /// Lists all workspaces, oldest first.
    public func workspaces(deadline: ContinuousClock.Instant) async throws -> [WorkspaceInfo] {
        try await database.read(
            deadline: deadline, "SELECT workspace_id, name, created_at FROM workspace ORDER BY workspace_id"
        ) { row in
            WorkspaceInfo(id: try row.value(0), name: try row.value(1), createdAt: try row.value(2))
        }
    }
}

private func randomBytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: .min ... .max) } }
