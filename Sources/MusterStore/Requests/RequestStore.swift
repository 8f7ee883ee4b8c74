import MusterProtocol
import Postgres

/// The recorded progress of a request that consists of several calls.
private struct Progress: Codable {
    let isDone: Bool

    enum CodingKeys: String, CodingKey { case isDone = "is_done" }
}

/// The requests of a workspace that consist of several calls.
public struct RequestStore: ScopedStore {
    let store: Store
    let scope: WorkspaceScope

    /// Records the start of a request whose parts are recorded separately; returns whether it was completed before.
    /// Throws `RequestIDReused`.
    public func begin(_ key: IdempotencyKey) async throws -> Bool {
        try await withIdempotency(key) { _ in WriteResult(reply: Progress(isDone: false)) }.isDone
    }

    /// Records that the request is complete.
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
    /// The requests of the workspace that consist of several calls.
    public var requests: RequestStore { RequestStore(store: store, scope: scope) }
}
