import Locking
public import Logging

/// A PostgreSQL database with a fixed number of connections, each owned by a thread.
///
/// A unit of work is a closure that runs on such a thread: calls of libpq are cheap, and thread switches are not, so
/// there is one switch per unit. The closure contains no `await` and is the transaction.
/// It serves whenever PostgreSQL is reachable, and reconnects by itself.
public final class Database: Sendable {
    private let queue: WorkQueue
    private let workers: [Worker]
    private let canceller: Canceller
    private let errors = ErrorCounts()

    /// Starts to connect and returns at once. `settings.validate()` tells whether the connection string is valid.
    public init(_ settings: DatabaseSettings, logger: Logger) {
        let count = max(settings.connections, 1)
        let queue = WorkQueue(
            capacity: settings.queueCapacity, workers: count, urgentWorkers: settings.urgentConnections,
            outagePatience: settings.outagePatienceMilliseconds)
        let all = count + settings.urgentConnections
        let canceller = Canceller(capacity: 2 * all)
        let liveSessions = LiveSessions()
        self.queue = queue
        self.canceller = canceller
        workers = (0..<all).map { number in
            Worker(
                settings: settings, queue: queue, canceller: canceller, liveSessions: liveSessions,
                urgentOnly: number >= count, logger: logger)
        }
        for worker in workers { startThread { worker.run() } }
        startThread { queue.watchDeadlines() }
        canceller.start()
    }

    deinit { end() }

    /// Runs `body` in a transaction at READ COMMITTED: COMMIT, or ROLLBACK when it throws.
    ///
    /// `variables` are settings of this transaction only, bound, and set in the round trip of the first statement. With
    /// `caller` the work shares that call's turns; without it, it is a call of its own without a group.
    /// `body` must tolerate a second run from its beginning: that happens once, if the connection turns out to be lost
    /// before the server has answered anything. Throws `PostgresError`, or what `body` throws.
    public func transaction<R: Sendable>(
        for caller: Caller = Caller(group: 0), variables: [(String, String)] = [],
        lockTimeoutMilliseconds: Int? = nil, deadline: ContinuousClock.Instant,
        _ body: @escaping @Sendable (borrowing Connection) throws -> R
    ) async throws -> R {
        try await submit(.write, caller, deadline) { session, deadline in
            var settings = variables
            if let lockTimeoutMilliseconds { settings.append(("lock_timeout", String(lockTimeoutMilliseconds))) }
            let prologue = TransactionPrologue(begins: true, settings: settings + [deadline.asStatementTimeout])
            return try session.transaction(Job(deadline: deadline, prologue: prologue), body)
        }
    }

    /// Runs a read-only transaction at READ COMMITTED. Otherwise like `transaction`.
    public func readTransaction<R: Sendable>(
        for caller: Caller = Caller(group: 0), variables: [(String, String)] = [], deadline: ContinuousClock.Instant,
        _ body: @escaping @Sendable (borrowing Connection) throws -> R
    ) async throws -> R {
        try await submit(.read, caller, deadline) { session, deadline in
            let settings = variables + [("transaction_read_only", "on"), deadline.asStatementTimeout]
            var job = Job(deadline: deadline, prologue: TransactionPrologue(begins: true, settings: settings))
            job.isReadOnly = true
            return try session.transaction(job, body)
        }
    }

    /// Runs a read-only transaction at REPEATABLE READ: all its statements see one state, and it blocks no writer.
    ///
    /// It delays VACUUM while it runs. Otherwise like `transaction`.
    public func snapshot<R: Sendable>(
        for caller: Caller = Caller(group: 0), variables: [(String, String)] = [], deadline: ContinuousClock.Instant,
        _ body: @escaping @Sendable (borrowing Connection) throws -> R
    ) async throws -> R {
        try await submit(.read, caller, deadline) { session, deadline in
            let prologue = TransactionPrologue(
                begins: true, settings: variables + [deadline.asStatementTimeout], isSnapshot: true)
            return try session.transaction(Job(deadline: deadline, prologue: prologue), body)
        }
    }

    /// Runs one read-only statement, in one round trip without BEGIN. Runs it again once on a lost connection.
    ///
    /// - Parameter isUrgent: goes before all other work: for statements that many calls wait for and that cost
    ///   PostgreSQL almost nothing.
    public func read<R: Sendable>(
        for caller: Caller = Caller(group: 0), isUrgent: Bool = false, variables: [(String, String)] = [],
        deadline: ContinuousClock.Instant, _ sql: SQL, _ row: @escaping @Sendable (borrowing Row) throws -> R
    ) async throws -> [R] {
        try await submit(isUrgent ? .urgent : .read, caller, deadline) { session, deadline in
            // Read-only is what makes it safe to run again, so it is not up to the caller.
            let settings = variables + [("transaction_read_only", "on"), deadline.asStatementTimeout]
            return try session.read(
                Job(deadline: deadline, prologue: TransactionPrologue(begins: false, settings: settings)), sql, row)
        }
    }

    /// Runs statements outside of any transaction, such as VACUUM or CREATE DATABASE. Never retried.
    public func withConnection<R: Sendable>(
        deadline: ContinuousClock.Instant, _ body: @escaping @Sendable (borrowing Connection) throws -> R
    ) async throws -> R {
        try await submit(.write, Caller(group: 0), deadline, mayRunAgain: false) { session, deadline in
            try session.bare(Job(deadline: deadline), body)
        }
    }

    /// Refuses waiting and new work, and returns when running work is done and all connections are closed.
    public func close() async {
        end()
        await queue.untilWorkersEnded()
    }

    /// The amount of work that waits and runs now.
    public var statistics: DatabaseStatistics { queue.statistics }

    /// The error of all work until an operator changes something, such as a password; nil when there is none.
    public var refusal: PostgresError? { queue.refusal }

    /// Counts failed units of work, by the class of the SQLSTATE (`23`), or by kind without one (`connectionLost`).
    public var errorCounts: [String: Int] { errors.all }

    private func end() {
        queue.close()
        for worker in workers { worker.wake() }
        canceller.close()
    }

    /// Whether PostgreSQL completed a unit of work, or one was refused under overload, within this many milliseconds.
    public func activity(within milliseconds: Int) -> (hasEnded: Bool, isOverloaded: Bool) {
        queue.activity(within: milliseconds)
    }

    /// The error with which a write of this caller would be refused now; nil when it would wait or run. Saves preparing
    /// work that would be refused.
    public func overload(ofWritingFor caller: Caller, deadline: ContinuousClock.Instant) -> PostgresError? {
        let error = queue.overload(ofWritingFor: caller, deadline: MonotonicTime(deadline))
        if let error { errors.count(error) }
        return error
    }

    /// Like `read`, for callers that wait in no task: `then` runs on the connection's thread, so it must be short.
    ///
    /// - Parameter sql: makes the statement just before it is sent, so that it can serve callers that came meanwhile; a
    ///   second time if it is sent again on another connection.
    public func read<R: Sendable>(
        for caller: Caller = Caller(group: 0), isUrgent: Bool = false, variables: [(String, String)] = [],
        deadline: ContinuousClock.Instant, making sql: @escaping @Sendable () -> SQL,
        _ row: @escaping @Sendable (borrowing Row) throws -> R,
        then: @escaping @Sendable (Result<[R], any Error>) -> Void
    ) {
        let outcome = Outcome<[R]> { [errors] result in
            if case .failure(let error) = result { errors.count(error) }
            then(result)
        }
        add(Ticket(), isUrgent ? .urgent : .read, caller, MonotonicTime(deadline), outcome) { session, deadline in
            let settings = variables + [("transaction_read_only", "on"), deadline.asStatementTimeout]
            return try session.read(
                Job(deadline: deadline, prologue: TransactionPrologue(begins: false, settings: settings)), sql(), row)
        }
    }

    /// Queues a unit of work and waits for it. Cancelling the task removes it, or interrupts its statement.
    private func submit<R: Sendable>(
        _ lane: Work.Lane, _ caller: Caller, _ deadline: ContinuousClock.Instant, mayRunAgain: Bool = true,
        _ body: @escaping @Sendable (DatabaseSession, MonotonicTime) throws -> R
    ) async throws -> R {
        let (ticket, moment, queue) = (Ticket(), MonotonicTime(deadline), queue)
        do {
            return try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<R, any Error>) in
                    let outcome = Outcome<R> { continuation.resume(with: $0) }
                    add(ticket, lane, caller, moment, outcome, mayRunAgain: mayRunAgain, body)
                }
            } onCancel: {
                queue.cancel(ticket)
            }
        } catch {
            errors.count(error)
            throw error
        }
    }

    private func add<R: Sendable>(
        _ ticket: Ticket, _ lane: Work.Lane, _ caller: Caller, _ deadline: MonotonicTime, _ outcome: Outcome<R>,
        mayRunAgain: Bool = true, _ body: @escaping @Sendable (DatabaseSession, MonotonicTime) throws -> R
    ) {
        queue.add(
            Work(ticket: ticket, deadline: deadline, lane: lane, caller: caller) { session, isFirstRun in
                session.tell = { outcome.settle(.failure($0)) }
                defer { session.tell = nil }
                do {
                    let value = try body(session, deadline)
                    return { outcome.settle(.success(value)) }
                } catch {
                    let leftNoTrace = session.isLost && !session.job.hasResult
                    let isInTime = session.job.cancellation == .none && deadline > .now
                    if mayRunAgain, isFirstRun, leftNoTrace, isInTime { return nil }
                    return { outcome.settle(.failure(error)) }
                }
            } refuse: { error in
                outcome.settle(.failure(error))
            })
    }
}

/// The result of a unit of work, for its waiter: the first result counts.
private final class Outcome<R: Sendable>: Sendable {
    private let waiter: Locked<(@Sendable (Result<R, any Error>) -> Void)?>

    init(_ waiter: @escaping @Sendable (Result<R, any Error>) -> Void) { self.waiter = Locked(waiter) }

    func settle(_ result: Result<R, any Error>) {
        let first = waiter.withLock { waiter in
            defer { waiter = nil }
            return waiter
        }
        first?(result)
    }
}

extension MonotonicTime {
    /// The remaining time, as the server's own limit for each statement.
    fileprivate var asStatementTimeout: (String, String) {
        ("statement_timeout", String(min(max(milliseconds(since: .now), 1), Int(Int32.max))))
    }
}

/// The work of a database at one time.
public struct DatabaseStatistics: Sendable, Hashable {
    /// Units of work that wait for a connection.
    public let waiting: Int
    /// Units of work that run.
    public let running: Int
    /// Open connections.
    public let connected: Int

    /// Makes statistics with these counts.
    public init(waiting: Int, running: Int, connected: Int) {
        self.waiting = waiting
        self.running = running
        self.connected = connected
    }
}
