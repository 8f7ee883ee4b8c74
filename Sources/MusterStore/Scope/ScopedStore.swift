import Postgres

/// What a noun's store is made of: what all scopes share, and the scope of the work.
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

    /// The same store with so much time from now: for work that takes many transactions, each with a time of its own.
    func within(_ time: Duration) -> Self { Self(store: store, scope: scope.until(.now + time)) }

    /// Runs one transaction, again where a deadlock or a serialization failure ended it.
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

    /// Runs a transaction of which each statement sees what is committed by then, and none may write: it takes the
    /// turns of reads.
    func readTransaction<R: Sendable>(
        _ body: @escaping @Sendable (borrowing WorkspaceTransaction) throws -> R
    ) async throws -> R {
        try await store.database.readTransaction(
            for: scope.caller, variables: scope.variables, deadline: scope.deadline, scope.lending(body))
    }

    /// Runs a transaction that only reads and sees one state of the workspace, without a lock.
    func snapshot<R: Sendable>(
        _ body: @escaping @Sendable (borrowing WorkspaceTransaction) throws -> R
    ) async throws -> R {
        try await store.database.snapshot(
            for: scope.caller, variables: scope.variables, deadline: scope.deadline, scope.lending(body))
    }

    /// Runs one statement that only reads, in one round trip.
    ///
    /// - Parameter isUrgent: it waits for no other work: for proofs of keys.
    func read<R: Sendable>(
        isUrgent: Bool = false, _ sql: SQL, _ row: @escaping @Sendable (borrowing Row) throws -> R
    ) async throws -> [R] {
        try await store.database.read(
            for: scope.caller, isUrgent: isUrgent, variables: scope.variables, deadline: scope.deadline, sql, row)
    }
}

extension WorkspaceScope {
    /// `body` as the database takes it.
    fileprivate func lending<R>(
        _ body: @escaping @Sendable (borrowing WorkspaceTransaction) throws -> R
    ) -> @Sendable (borrowing Connection) throws -> R {
        { [workspace] (connection: borrowing Connection) in
            try WorkspaceTransaction.over(connection, in: workspace, body)
        }
    }
}

extension PostgresError {
    /// A deadlock or a serialization failure: nothing was applied, and the same work may go through now.
    var isWorthRunningAgain: Bool { sqlState == .deadlockDetected || sqlState == .serializationFailure }
}
