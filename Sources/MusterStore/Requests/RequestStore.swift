import MusterProtocol
import Postgres

/// What is recorded of a request that comes to several calls.
private struct Progress: Codable {
    let isDone: Bool

    enum CodingKeys: String, CodingKey { case isDone = "is_done" }
}

extension Store {
    /// Writes down that a request has begun whose parts are recorded by themselves; whether it came to its end before.
    /// Throws `RequestIDReused`.
    public func begin(
        _ request: IdempotencyKey, in workspace: WorkspaceID, deadline: ContinuousClock.Instant
    ) async throws -> Bool {
        try await recorded(request, in: workspace, deadline: deadline) { _ in
            WriteResult(reply: Progress(isDone: false))
        }
        .isDone
    }

    /// Writes down that it came to its end.
    public func end(
        _ request: IdempotencyKey, in workspace: WorkspaceID, deadline: ContinuousClock.Instant
    ) async throws {
        let reply = try JSONEncoding.encode(Progress(isDone: true))
        try await transaction(in: workspace, deadline: deadline) { connection in
            try connection.execute(
                """
                UPDATE request_record SET reply = \(reply)
                WHERE workspace_id = \(workspace) AND method = \(request.method) AND request_id = \(request.id)
                """)
        }
    }
}
