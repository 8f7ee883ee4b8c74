import Locking
import Postgres

extension WorkspaceStore {
    /// The 32 bytes that page tokens of the workspace are sealed with. They never change, so PostgreSQL is asked once.
    public func pageTokenKey() async throws -> [UInt8] {
        if let known = store.pageTokenKeys.withLock({ $0[workspace] }) { return known }
        let found: [[UInt8]] = try await read(
            "SELECT key FROM page_token_key WHERE workspace_id = \(workspace)"
        ) { row in try row.value(0) }
        guard let key = found.first else { throw PostgresError(.decoding, "the workspace has no page_token_key") }
        store.pageTokenKeys.withLock { $0[workspace] = key }
        return key
    }
}
