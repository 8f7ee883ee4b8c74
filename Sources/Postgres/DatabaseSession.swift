import CLibpq
import Glibc
import Logging

/// A connection, as seen by the one thread that owns it. Libpq is used in non-blocking mode: each wait is a `poll` that
/// ends at the deadline of the unit of work or when it is cancelled.
final class DatabaseSession {
    let raw: OpaquePointer
    let logger: Logger
    let identity: SessionIdentity
    let interrupt: Interrupt
    private let canceller: Canceller
    private let cancelHandle: CancelHandle
    /// The last cancel request of this unit of work; until it has completed, it could hit the next one.
    private var cancelRequest: CancelRequest?
    /// Notifies the waiter of the unit of work before its end.
    var tell: (@Sendable (PostgresError) -> Void)?
    /// PostgreSQL does not know the process that a cancel would name.
    var isBehindPooler = false
    var cache: StatementCache
    var job = Job(deadline: .now)
    /// Why the connection's state is unknown or the connection is lost. Nothing more is sent, and it is closed after
    /// the unit of work.
    private var loss: PostgresError?
    var isLost: Bool { loss != nil }
    /// The server has closed its end; data that arrived before can still be read.
    private var hasEnded = false
    /// Evidence that another client uses this session, once seen.
    var poolingEvidence: PostgresError?
    /// Reused by each statement.
    var pointers: [UnsafePointer<CChar>?] = []
    var formats: [Int32] = []

    /// Takes ownership of a connection that libpq has established.
    init(
        _ raw: OpaquePointer, settings: DatabaseSettings, logger: Logger, interrupt: Interrupt, canceller: Canceller,
        identity: SessionIdentity
    ) {
        self.raw = raw
        self.logger = logger
        self.interrupt = interrupt
        self.canceller = canceller
        self.identity = identity
        cancelHandle = CancelHandle(raw)
        cache = StatementCache(capacity: settings.statementCacheCapacity, owner: identity.name)
        PQsetnonblocking(raw, 1)
        receiveNotices()
    }

    deinit {
        identity.end()
        PQfinish(raw)
    }

    /// Whether the server can still be heard. Costs one system call; detects a connection that was lost while idle.
    func isAlive() -> Bool {
        var socket = pollfd(fd: PQsocket(raw), events: Int16(POLLIN), revents: 0)
        guard poll(&socket, 1, 0) != 0 else { return !isLost }
        // An idle server sends only notices, changed settings, or its end; after its end libpq reads EOF.
        let isGood = PQconsumeInput(raw) == 1 && PQstatus(raw) == CONNECTION_OK
        guard isGood, PQisBusy(raw) == 0, PQtransactionStatus(raw) == PQTRANS_IDLE else { return false }
        guard poll(&socket, 1, 0) == 0 || PQconsumeInput(raw) == 1 else { return false }
        return !isLost && PQstatus(raw) == CONNECTION_OK
    }

    /// Refuses to send a statement whose answer is no longer wanted.
    func checkMaySend() throws {
        if let loss { throw loss }
        if interrupt.isRaised { throw PostgresError(.cancelled) }
        if job.deadline <= .now { throw PostgresError(.deadlineExceeded) }
    }

    func waitUnlessEnded() throws {
        if hasEnded { throw lose(PostgresError(.connectionLost, connectionMessage)) }
        try wait()
    }

    /// The next result; nil at the end of one statement's results.
    func nextResult() throws -> QueryResult? {
        while PQisBusy(raw) == 1 {
            try waitUnlessEnded()
        }
        guard let result = PQgetResult(raw) else {
            if PQstatus(raw) == CONNECTION_BAD { throw lose(PostgresError(.connectionLost, connectionMessage)) }
            return nil
        }
        return QueryResult(result)
    }

    /// Sends libpq's buffer and sleeps until the socket is readable or writable.
    func wait() throws {
        let unsent = PQflush(raw) == 1
        if interrupt.isRaised { askToCancel() }
        let milliseconds = job.limit.milliseconds(since: .now)
        guard milliseconds > 0 else { return try expire() }
        let events = Int16(unsent ? POLLIN | POLLOUT : POLLIN)
        var ends = (
            pollfd(fd: PQsocket(raw), events: events, revents: 0),
            pollfd(fd: interrupt.descriptor, events: Int16(POLLIN), revents: 0)
        )
        let ready = withUnsafeMutableBytes(of: &ends) {
            poll($0.assumingMemoryBound(to: pollfd.self).baseAddress, 2, Int32(clamping: milliseconds))
        }
        guard ready > 0 else { return }  // timeout or signal: the caller checks its condition again
        if ends.1.revents != 0 { interrupt.drain() }
        if ends.0.revents != 0, PQconsumeInput(raw) == 0 { hasEnded = true }
    }

    /// Requests once that the server stops, and gives it a second to confirm.
    private func askToCancel() {
        guard job.cancellation == .none, !job.isClosing else { return }
        cancelRest()
    }

    /// Handles the deadline. The caller is notified at once. The server is asked to stop, even at COMMIT: the outcome
    /// is unknown either way, and a backend that stops waiting releases the locks that the next attempt would wait for.
    /// It has a second to confirm. After that, unexpected data may still arrive, so the connection is not used again.
    private func expire() throws {
        let wasAsked = job.cancellation != .none
        let error = PostgresError(wasAsked && !job.hasExpired ? .cancelled : .deadlineExceeded)
        cancelRest()
        guard let tell, !wasAsked else { throw lose(error) }
        tell(job.isCommitting ? error.asKind(.commitOutcomeUnknown) : error)
        job.hasExpired = true
    }

    /// For an answer that is no longer wanted.
    func cancelRest() {
        guard job.cancellation == .none else { return }
        job.cancellation = .asked
        cancelRequest = canceller.cancel(cancelHandle)
        job.limit = .after(milliseconds: Self.cancelPatience)
    }

    /// Milliseconds for a cancel and its confirmation.
    private static let cancelPatience = 1_000

    /// Waits until a requested cancel can no longer hit what is sent next. If that can't be known, the connection is
    /// closed. A pooler forwards cancels at any time.
    func settleCancel() {
        guard let request = cancelRequest, !isLost else { return }
        cancelRequest = nil
        guard !isBehindPooler, request.isSent(by: .after(milliseconds: Self.cancelPatience)) else { return lose() }
        job.cancellation = .done
    }

    func lose(_ error: PostgresError) -> PostgresError {
        loss = loss ?? error
        return error
    }

    func lose() { _ = lose(PostgresError(.connectionLost, "the connection was given up")) }

    var connectionMessage: String { PQerrorMessage(raw).map { String(cString: $0) } ?? "" }
}

/// What a session knows of the unit of work that it runs.
struct Job {
    enum Cancellation {
        case none
        /// A cancel is in flight and could hit whatever runs when it arrives.
        case asked
        /// The cancel has hit, or can no longer hit anything.
        case done
    }

    let deadline: MonotonicTime
    /// When to stop waiting for an answer.
    var limit: MonotonicTime
    /// What must precede the first statement, in the same round trip.
    var prologue: TransactionPrologue?
    var isReadOnly = false
    /// The connection works but leads to the wrong server.
    var wantsNewConnection = false
    /// Whether the server has answered anything. Before that, the unit can run again on another connection.
    var hasResult = false
    var cancellation = Cancellation.none
    /// Its deadline passed before it ended; the caller knows.
    var hasExpired = false
    /// COMMIT or ROLLBACK is in progress, which nothing interrupts.
    var isClosing = false
    /// COMMIT is in progress.
    var isCommitting = false
    /// The server's warning during COMMIT.
    var commitWarning: CommitWarning?

    /// The server's own `statement_timeout` fires at the deadline and keeps the connection usable, so it gets a short
    /// time before the connection is closed.
    static let grace = 25

    init(deadline: MonotonicTime, prologue: TransactionPrologue? = nil) {
        self.deadline = deadline
        self.prologue = prologue
        limit = deadline.adding(milliseconds: Self.grace)
    }
}

/// What precedes the first statement of a unit of work.
struct TransactionPrologue {
    let begins: Bool
    let settings: [(String, String)]
    var isSnapshot = false

    var begin: SQL {
        isSnapshot ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN ISOLATION LEVEL READ COMMITTED"
    }
}

/// A COMMIT that was answered with `COMMIT` and still does not count.
enum CommitWarning {
    /// There was no transaction: the connection or the closure had ended it.
    case noTransaction
    /// The wait for a synchronous standby was interrupted.
    case notReplicated
}
