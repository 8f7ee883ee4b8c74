public import Logging

/// PostgreSQL, by a fixed number of connections, each owned by a thread.
///
/// A unit of work is a closure that runs on such a thread: libpq is cheap, and going from one thread to another is
/// not, so that is done once per unit. There is no `await` in it, which makes the closure the transaction.
/// It serves as soon as PostgreSQL can be reached, and again when it can be reached again.
public final class Database: Sendable {
    private let queue: WorkQueue
    private let workers: [Worker]
    private let canceller: Canceller
    private let errors = ErrorCounts()

    /// Starts to connect and returns at once. Ask `settings.validate()` whether the connection string can be read.
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

    /// One transaction at READ COMMITTED: `body`, then COMMIT; ROLLBACK when it throws.
    ///
    /// `variables` are settings of this transaction alone, bound, set in the round trip of the first statement. With
    /// `caller` it shares turns and places; without one it is a call of its own, of no group.
    /// `body` must bear to be run again from its beginning: that is done once, when the connection turns out to be
    /// dead before the server has answered anything. Throws `PostgresError`, or what `body` throws.
    public func transaction<R: Sendable>(
        for caller: Caller = Caller(group: 0), variables: [(String, String)] = [],
        lockTimeoutMilliseconds: Int? = nil, deadline: ContinuousClock.Instant,
        _ body: @escaping @Sendable (borrowing Connection) throws -> R
    ) async throws -> R {
        try await submit(.write, caller, deadline) { session, deadline in
            var settings = variables
            if let lockTimeoutMilliseconds { settings.append(("lock_timeout", String(lockTimeoutMilliseconds))) }
            let opening = Opening(begins: true, settings: settings + [deadline.asStatementTimeout])
            return try session.transaction(Unit(deadline: deadline, opening: opening), body)
        }
    }

    /// One transaction at READ COMMITTED that only reads. Otherwise as `transaction`.
    public func readTransaction<R: Sendable>(
        for caller: Caller = Caller(group: 0), variables: [(String, String)] = [], deadline: ContinuousClock.Instant,
        _ body: @escaping @Sendable (borrowing Connection) throws -> R
    ) async throws -> R {
        try await submit(.read, caller, deadline) { session, deadline in
            let settings = variables + [("transaction_read_only", "on"), deadline.asStatementTimeout]
            var unit = Unit(deadline: deadline, opening: Opening(begins: true, settings: settings))
            unit.isReadOnly = true
            return try session.transaction(unit, body)
        }
    }

    /// One transaction at REPEATABLE READ that only reads: all its statements see one state, and nobody waits for it.
    ///
    /// It holds VACUUM up while it lasts. Otherwise as `transaction`.
    public func snapshot<R: Sendable>(
        for caller: Caller = Caller(group: 0), variables: [(String, String)] = [], deadline: ContinuousClock.Instant,
        _ body: @escaping @Sendable (borrowing Connection) throws -> R
    ) async throws -> R {
        try await submit(.read, caller, deadline) { session, deadline in
            let opening = Opening(begins: true, settings: variables + [deadline.asStatementTimeout], isSnapshot: true)
            return try session.transaction(Unit(deadline: deadline, opening: opening), body)
        }
    }

    /// One statement that only reads, in one round trip and without BEGIN. Run again once on a lost connection.
    ///
    /// - Parameter isUrgent: it goes before all else: for what many wait for, and takes PostgreSQL next to no time.
    public func read<R: Sendable>(
        for caller: Caller = Caller(group: 0), isUrgent: Bool = false, variables: [(String, String)] = [],
        deadline: ContinuousClock.Instant, _ sql: SQL, _ row: @escaping @Sendable (borrowing Row) throws -> R
    ) async throws -> [R] {
        try await submit(isUrgent ? .urgent : .read, caller, deadline) { session, deadline in
            // Read-only is what makes it sound to run it again, so it is not left to the caller.
            let settings = variables + [("transaction_read_only", "on"), deadline.asStatementTimeout]
            return try session.read(
                Unit(deadline: deadline, opening: Opening(begins: false, settings: settings)), sql, row)
        }
    }

    /// Statements outside of any transaction, such as VACUUM or CREATE DATABASE. Never run again by itself.
    public func withConnection<R: Sendable>(
        deadline: ContinuousClock.Instant, _ body: @escaping @Sendable (borrowing Connection) throws -> R
    ) async throws -> R {
        try await submit(.write, Caller(group: 0), deadline, mayRunAgain: false) { session, deadline in
            try session.bare(Unit(deadline: deadline), body)
        }
    }

    /// Refuses waiting and new work, and returns when what runs is done and all connections are closed.
    public func close() async {
        end()
        await queue.untilWorkersEnded()
    }

    /// How much waits and runs at this moment.
    public var statistics: DatabaseStatistics { queue.statistics }

    /// Why all work is refused until an operator changes something, such as a password; nil where it isn't.
    public var refusal: PostgresError? { queue.refusal }

    /// Units of work that ended with an error, by the class of its SQLSTATE (`23`), or by its kind where there is none (`connectionLost`).
    public var errorCounts: [String: Int] { errors.all }

    private func end() {
        queue.close()
        for worker in workers { worker.wake() }
        canceller.close()
    }

    /// Whether a unit of work ended, or one was refused since there was too much, within so many milliseconds.
    public func activity(within milliseconds: Int) -> (hasEnded: Bool, isOverloaded: Bool) {
        queue.activity(within: milliseconds)
    }

    /// The error that new work of this caller would be refused with, were it to write now; nil where it would wait or
    /// run. For those who can save themselves the trouble of making the work.
    public func overload(ofWritingFor caller: Caller, deadline: ContinuousClock.Instant) -> PostgresError? {
        let error = queue.overload(ofWritingFor: caller, deadline: Moment(deadline))
        if let error { errors.count(error) }
        return error
    }

    /// Queues a unit of work and waits for it. Cancelling the task removes it, or interrupts the statement it is in.
    private func submit<R: Sendable>(
        _ lane: Work.Lane, _ caller: Caller, _ deadline: ContinuousClock.Instant, mayRunAgain: Bool = true,
        _ body: @escaping @Sendable (Session, Moment) throws -> R
    ) async throws -> R {
        let (ticket, moment, queue) = (Ticket(), Moment(deadline), queue)
        do {
            return try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<R, any Error>) in
                    let outcome = Outcome(continuation)
                    queue.add(
                        Work(ticket: ticket, deadline: moment, lane: lane, caller: caller) { session, isFirstRun in
                            session.tell = { outcome.settle(.failure($0)) }
                            defer { session.tell = nil }
                            do {
                                let value = try body(session, moment)
                                return { outcome.settle(.success(value)) }
                            } catch {
                                let leftNoTrace = session.isLost && !session.unit.hasAnswer
                                let isInTime = session.unit.cancellation == .none && moment > .now
                                if mayRunAgain, isFirstRun, leftNoTrace, isInTime { return nil }
                                return { outcome.settle(.failure(error)) }
                            }
                        } refuse: { error in
                            outcome.settle(.failure(error))
                        })
                }
            } onCancel: {
                queue.cancel(ticket)
            }
        } catch {
            errors.count(error)
            throw error
        }
    }
}

/// What a unit of work came to, for whoever waits: what is said first counts.
private final class Outcome<R: Sendable>: Sendable {
    private let continuation: Locked<CheckedContinuation<R, any Error>?>

    init(_ continuation: CheckedContinuation<R, any Error>) { self.continuation = Locked(continuation) }

    func settle(_ result: Result<R, any Error>) {
        let first = continuation.withLock { continuation in
            defer { continuation = nil }
            return continuation
        }
        first?.resume(with: result)
    }
}

extension Moment {
    /// The rest of the time as the server's own limit for each statement.
    fileprivate var asStatementTimeout: (String, String) {
        ("statement_timeout", String(min(max(milliseconds(since: .now), 1), Int(Int32.max))))
    }
}

/// What a database does at one moment.
public struct DatabaseStatistics: Sendable, Hashable {
    /// Units of work that wait for a connection.
    public let waiting: Int
    /// Units of work that run.
    public let running: Int
    /// Connections that are up.
    public let connected: Int

    /// The counts.
    public init(waiting: Int, running: Int, connected: Int) {
        self.waiting = waiting
        self.running = running
        self.connected = connected
    }
}
