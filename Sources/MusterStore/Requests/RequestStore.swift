import MusterProtocol
import Postgres

/// What is recorded of a request that comes to several calls.
private struct Progress: Codable {
    let isDone: Bool

    enum CodingKeys: String, CodingKey { case isDone = "is_done" }
}

/// Requests of a workspace that come to several calls.
public struct RequestStore: ScopedStore {
    let store: Store
    let scope: WorkspaceScope

    /// Writes down that a request has begun whose parts are recorded by themselves; whether it came to its end before.
    /// Throws `RequestIDReused`.
    public func begin(_ key: IdempotencyKey) async throws -> Bool {
        try await withIdempotency(key) { _ in WriteResult(reply: Progress(isDone: false)) }.isDone
    }

    /// Writes down that it came to its end.
    public func end(_ key: IdempotencyKey) async throws {
        let reply = try JSONEncoding.encode(Progress(isDone: true))
        try await transaction { transaction in
            try transaction.execute(
                """
                UPDATE request_record SET reply = \(reply)
                WHERE workspace_id = \(workspace) AND method = \(key.method) AND request_id = \(key.id)
                """)
        }
    }
}

extension WorkspaceStore {
    /// The requests of the workspace that come to several calls.
    public var requests: RequestStore { RequestStore(store: store, scope: scope) }
}
