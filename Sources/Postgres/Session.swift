import CLibpq
import Glibc
import Logging

/// A connection as the one thread sees that owns it. Libpq is used without blocking: every wait is a `poll` that ends
/// at the deadline of the unit of work, or when that is cancelled.
final class Session {
    let raw: OpaquePointer
    let logger: Logger
    let identity: SessionIdentity
    let interrupt: Interrupt
    private let canceller: Canceller
    private let cancelHandle: CancelHandle
    /// The last wish to cancel in this unit of work; until it is known to be over, it could hit the next one.
    private var cancelRequest: CancelRequest?
    /// Tells whoever waits for the unit of work before it has ended.
    var tell: (@Sendable (PostgresError) -> Void)?
    /// PostgreSQL doesn't know the process that is to be named in a cancel.
    var isBehindPooler = false
    var cache: StatementCache
    var unit = Unit(deadline: .now)
    /// Why the connection is in an unknown state, or gone: nothing is sent any more, and it is closed after the unit of work.
    private var loss: PostgresError?
    var isLost: Bool { loss != nil }
    /// The server has closed its end; what arrived before can still be read.
    private var hasEnded = false
    /// Why the session is not this connection's own any more, once that was seen.
    var poolingEvidence: PostgresError?
    /// Reused for each statement.
    var savepoints = 0
    var pointers: [UnsafePointer<CChar>?] = []
    var formats: [Int32] = []

    /// Takes over a connection that libpq has established.
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

    /// Whether the server can be heard. Costs one system call; finds out that a connection died while it was idle.
    func isAlive() -> Bool {
        var socket = pollfd(fd: PQsocket(raw), events: Int16(POLLIN), revents: 0)
        guard poll(&socket, 1, 0) != 0 else { return !isLost }
        // An idle server says only notices, changed settings, or that it ends; after an end libpq reads end of file.
        let isGood = PQconsumeInput(raw) == 1 && PQstatus(raw) == CONNECTION_OK
        guard isGood, PQisBusy(raw) == 0, PQtransactionStatus(raw) == PQTRANS_IDLE else { return false }
        guard poll(&socket, 1, 0) == 0 || PQconsumeInput(raw) == 1 else { return false }
        return !isLost && PQstatus(raw) == CONNECTION_OK
    }

    /// Refuses to send anything where the answer is not wanted any more.
    func checkMaySend() throws {
        if let loss { throw loss }
        if interrupt.isRaised { throw PostgresError(.cancelled) }
        if unit.deadline <= .now { throw PostgresError(.deadlineExceeded) }
    }

    func waitUnlessEnded() throws {
        if hasEnded { throw lose(PostgresError(.connectionLost, connectionMessage)) }
        try wait()
    }

    /// The next result of what was sent; nil at the end of one statement's results.
    func nextAnswer() throws -> Answer? {
        while PQisBusy(raw) == 1 {
            try waitUnlessEnded()
        }
        guard let result = PQgetResult(raw) else {
            if PQstatus(raw) == CONNECTION_BAD { throw lose(PostgresError(.connectionLost, connectionMessage)) }
            return nil
        }
        return Answer(result)
    }

    /// Sends what libpq holds and sleeps until something arrives or can be sent.
    func wait() throws {
        let unsent = PQflush(raw) == 1
        if interrupt.isRaised { askToCancel() }
        let milliseconds = unit.limit.milliseconds(since: .now)
        guard milliseconds > 0 else { return try expire() }
        let events = Int16(unsent ? POLLIN | POLLOUT : POLLIN)
        var ends = (
            pollfd(fd: PQsocket(raw), events: events, revents: 0),
            pollfd(fd: interrupt.descriptor, events: Int16(POLLIN), revents: 0)
        )
        let ready = withUnsafeMutableBytes(of: &ends) {
            poll($0.assumingMemoryBound(to: pollfd.self).baseAddress, 2, Int32(clamping: milliseconds))
        }
        guard ready > 0 else { return }  // time, or a signal: the caller looks again
        if ends.1.revents != 0 { interrupt.drain() }
        if ends.0.revents != 0, PQconsumeInput(raw) == 0 { hasEnded = true }
    }

    /// Asks the server to stop, once, and gives it a second to say that it did.
    private func askToCancel() {
        guard unit.cancellation == .none, !unit.isClosing else { return }
        cancelRest()
    }

    /// The time is over: the caller is told so at once. The server is asked to stop, at COMMIT too: its outcome is
    /// unknown either way, and a backend that stops waiting frees the locks on which the next attempt would wait. It
    /// has a second to say that it did; then nobody knows what may still come, and the connection is not used again.
    private func expire() throws {
        let wasAsked = unit.cancellation != .none
        let error = PostgresError(wasAsked && !unit.hasExpired ? .cancelled : .deadlineExceeded)
        cancelRest()
        guard let tell, !wasAsked else { throw lose(error) }
        tell(unit.isCommitting ? error.asKind(.commitOutcomeUnknown) : error)
        unit.hasExpired = true
    }

    /// For an answer that nobody wants.
    func cancelRest() {
        guard unit.cancellation == .none else { return }
        unit.cancellation = .asked
        cancelRequest = canceller.cancel(cancelHandle)
        unit.limit = .after(milliseconds: Self.cancelPatience)
    }

    /// Milliseconds that a cancel and its answer may take.
    private static let cancelPatience = 1_000

    /// Waits until a cancel that was asked for can't hit anything that is sent from now on; where that can't be known,
    /// the connection is lost. A pooler passes cancels on when it likes.
    func settleCancel() {
        guard let request = cancelRequest, !isLost else { return }
        cancelRequest = nil
        guard !isBehindPooler, request.isSent(by: .after(milliseconds: Self.cancelPatience)) else { return lose() }
        unit.cancellation = .done
    }

    func lose(_ error: PostgresError) -> PostgresError {
        loss = loss ?? error
        return error
    }

    func lose() { _ = lose(PostgresError(.connectionLost, "the connection was given up")) }

    var connectionMessage: String { PQerrorMessage(raw).map { String(cString: $0) } ?? "" }
}

/// What a session has to know of the unit of work that it runs.
struct Unit {
    enum Cancellation {
        case none
        /// A cancel is on its way and could hit whatever runs when it arrives.
        case asked
        /// It has hit, or can hit nothing any more.
        case done
    }

    let deadline: Moment
    /// When to stop waiting for an answer.
    var limit: Moment
    /// What must go before the first statement, and goes in the same round trip.
    var opening: Opening?
    var isReadOnly = false
    /// The connection works but is not the right one.
    var wantsNewConnection = false
    /// Whether the server has answered anything: before, the unit can be run again on another connection.
    var hasAnswer = false
    var cancellation = Cancellation.none
    /// Its time was over before it ended; the caller knows.
    var hasExpired = false
    /// COMMIT or ROLLBACK is under way, which nothing interrupts.
    var isClosing = false
    /// It is COMMIT.
    var isCommitting = false
    /// What the server warned of while COMMIT was under way.
    var commitWarning: CommitWarning?

    /// The server's own `statement_timeout` strikes at the deadline and leaves the connection usable, so it gets a
    /// moment to do so before the connection is given up.
    static let grace = 25

    init(deadline: Moment, opening: Opening? = nil) {
        self.deadline = deadline
        self.opening = opening
        limit = deadline.adding(milliseconds: Self.grace)
    }
}

/// What precedes the first statement of a unit of work.
struct Opening {
    let begins: Bool
    let settings: [(String, String)]
    var isSnapshot = false

    var begin: SQL {
        isSnapshot ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN ISOLATION LEVEL READ COMMITTED"
    }
}

/// A COMMIT that was answered with `COMMIT` and still does not count.
enum CommitWarning {
    /// There was no transaction: the connection, or the closure, had ended it before.
    case noTransaction
    /// The wait for a synchronous standby was broken off.
    case notReplicated
}
