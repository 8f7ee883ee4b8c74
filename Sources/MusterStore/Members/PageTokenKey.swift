import Locking
import Postgres

extension WorkspaceStore {
    /// The 32-byte key that seals the page tokens of the workspace. It never changes, so it is read once and cached.
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
