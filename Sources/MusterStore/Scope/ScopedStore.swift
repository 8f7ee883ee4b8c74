import Postgres

/// The parts of every noun's store: the shared store, and the scope of the work.
protocol ScopedStore: Sendable {
    var store: Store { get }
    var scope: WorkspaceScope { get }

    init(store: Store, scope: WorkspaceScope)
}

extension ScopedStore {
    var workspace: WorkspaceID { scope.workspace }
    var cache: SetCache { store.cache }
    var failpoints: Failpoints { store.failpoints }

    /// The stores of all nouns for the same scope.
    var stores: WorkspaceStore { store.in(scope) }

    /// The same store with a deadline `time` from now: for work of many transactions, each with its own deadline.
    func within(_ time: Duration) -> Self { Self(store: store, scope: scope.until(.now + time)) }

    /// Runs one transaction, and retries it after a deadlock or a serialization failure.
    func transaction<R: Sendable>(
        _ body: @escaping @Sendable (borrowing WorkspaceTransaction) throws -> R
    ) async throws -> R {
        var attempt = 0
        while true {
            do {
                return try await store.database.transaction(
                    for: scope.caller, variables: scope.variables,
                    lockTimeoutMilliseconds: scope.lockTimeoutMilliseconds, deadline: scope.deadline,
                    scope.lending(body))
            } catch let error as PostgresError where error.isWorthRunningAgain && attempt < 4 {
                attempt += 1
                try await Task.sleep(for: .milliseconds(Int.random(in: 1...(8 << attempt))))
            }
        }
    }

    /// Runs a read-only transaction in which each statement sees everything committed before it. Queues with the reads.
    func readTransaction<R: Sendable>(
        _ body: @escaping @Sendable (borrowing WorkspaceTransaction) throws -> R
    ) async throws -> R {
        try await store.database.readTransaction(
            for: scope.caller, variables: scope.variables, deadline: scope.deadline, scope.lending(body))
    }

    /// Runs a read-only transaction that sees one state of the workspace, without locks.
    func snapshot<R: Sendable>(
        _ body: @escaping @Sendable (borrowing WorkspaceTransaction) throws -> R
    ) async throws -> R {
        try await store.database.snapshot(
            for: scope.caller, variables: scope.variables, deadline: scope.deadline, scope.lending(body))
    }

    /// Runs one read-only statement, in one round trip.
    ///
    /// - Parameter isUrgent: whether to run before all other work: for checks of keys.
    func read<R: Sendable>(
        isUrgent: Bool = false, _ sql: SQL, _ row: @escaping @Sendable (borrowing Row) throws -> R
    ) async throws -> [R] {
        try await store.database.read(
            for: scope.caller, isUrgent: isUrgent, variables: scope.variables, deadline: scope.deadline, sql, row)
    }
}

extension WorkspaceScope {
    /// Adapts `body` to the database's transactions.
    func lending<R>(
        _ body: @escaping @Sendable (borrowing WorkspaceTransaction) throws -> R
    ) -> @Sendable (borrowing Connection) throws -> R {
        { [workspace] (connection: borrowing Connection) in
            try WorkspaceTransaction.over(connection, in: workspace, body)
        }
    }
}

extension PostgresError {
    /// A deadlock or a serialization failure: nothing was applied, and a retry may succeed.
    var isWorthRunningAgain: Bool { sqlState == .deadlockDetected || sqlState == .serializationFailure }
}
