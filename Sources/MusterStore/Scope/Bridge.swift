import Postgres

// What is not yet written on a scope's stores reaches the database by these, with the scope of the call from the task.
// This file goes with the last of them.

extension Store {
    /// The scope of the call that the task is for.
    @TaskLocal public static var scopeOfCall: WorkspaceScope?

    private func bridge(_ workspace: WorkspaceID, _ deadline: ContinuousClock.Instant) -> WorkspaceStore {
        let scope = Self.scopeOfCall.flatMap { $0.workspace == workspace ? $0 : nil }
        return self.in(scope?.until(deadline) ?? WorkspaceScope(workspace, deadline: deadline))
    }

    func transaction<R: Sendable>(
        in workspace: WorkspaceID, deadline: ContinuousClock.Instant,
        _ body: @escaping @Sendable (borrowing WorkspaceTransaction) throws -> R
    ) async throws -> R {
        try await bridge(workspace, deadline).transaction(body)
    }

    func readTransaction<R: Sendable>(
        in workspace: WorkspaceID, deadline: ContinuousClock.Instant,
        _ body: @escaping @Sendable (borrowing WorkspaceTransaction) throws -> R
    ) async throws -> R {
        try await bridge(workspace, deadline).readTransaction(body)
    }

    func snapshot<R: Sendable>(
        in workspace: WorkspaceID, deadline: ContinuousClock.Instant,
        _ body: @escaping @Sendable (borrowing WorkspaceTransaction) throws -> R
    ) async throws -> R {
        try await bridge(workspace, deadline).snapshot(body)
    }

    func read<R: Sendable>(
        in workspace: WorkspaceID, isUrgent: Bool = false, deadline: ContinuousClock.Instant, _ sql: SQL,
        _ row: @escaping @Sendable (borrowing Row) throws -> R
    ) async throws -> [R] {
        try await bridge(workspace, deadline).read(isUrgent: isUrgent, sql, row)
    }

    func recorded<Reply>(
        _ request: IdempotencyKey, in workspace: WorkspaceID, deadline: ContinuousClock.Instant,
        _ work: @escaping @Sendable (borrowing WorkspaceTransaction) throws -> WriteResult<Reply>
    ) async throws -> Reply {
        try await bridge(workspace, deadline).withIdempotency(request, work)
    }
}
