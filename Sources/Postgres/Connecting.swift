import CLibpq
import Glibc
import Logging

/// Establishes connections without blocking, so that closing the database does not wait for an unresponsive network.
struct Connecting {
    let settings: DatabaseSettings
    let logger: Logger
    let interrupt: Interrupt
    let canceller: Canceller
    let liveSessions: LiveSessions
    let isUnwanted: () -> Bool

    /// Throws `.unavailable` with libpq's message, which names hosts and roles but no password.
    func connect(to target: inout ConnectionTarget) throws -> DatabaseSession {
        guard let raw = start(target.keywords) else { throw PostgresError(.unavailable, "libpq is out of memory") }
        // Adds the SQLSTATE to messages about a refusal; libpq reports it in no other way.
        PQsetErrorVerbosity(raw, PQERRORS_VERBOSE)
        // From here on the session owns `raw`: its deinit closes it.
        let limit = MonotonicTime.after(milliseconds: settings.connectTimeoutMilliseconds)
        var state = PQstatus(raw) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING
        while state != PGRES_POLLING_OK {
            guard state != PGRES_POLLING_FAILED else { throw failure(raw) }
            guard isReady(raw, state, until: limit) else {
                target.passOverFirstHost()
                throw failure(raw, "timed out after \(settings.connectTimeoutMilliseconds) ms")
            }
            state = PQconnectPoll(raw)
        }
        PQsetErrorVerbosity(raw, PQERRORS_DEFAULT)
        let session = DatabaseSession(
            raw, settings: settings, logger: logger, interrupt: interrupt, canceller: canceller,
            identity: SessionIdentity(settings: target.sessionSettings, live: liveSessions))
        try session.establish(until: limit)
        return session
    }

    private func start(_ keywords: [(String, String)]) -> OpaquePointer? {
        let names = keywords.map { strdup($0.0) }
        let values = keywords.map { strdup($0.1) }
        defer { for copy in names + values { free(copy) } }
        return PQconnectStartParams(
            names.map { UnsafePointer($0) } + [nil], values.map { UnsafePointer($0) } + [nil], 1)
    }

    /// Whether the socket became ready before `limit`.
    private func isReady(_ raw: OpaquePointer, _ state: PostgresPollingStatusType, until limit: MonotonicTime) -> Bool {
        let events = Int16(state == PGRES_POLLING_READING ? POLLIN : POLLOUT)
        while !isUnwanted() {
            let milliseconds = limit.milliseconds(since: .now)
            guard milliseconds > 0 else { return false }
            var ends = [
                pollfd(fd: PQsocket(raw), events: events, revents: 0),
                pollfd(fd: interrupt.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&ends, 2, Int32(clamping: milliseconds)) > 0 else { continue }
            if ends[1].revents != 0 { interrupt.drain() }
            if ends[0].revents != 0 { return true }
        }
        return false
    }

    private func failure(_ raw: OpaquePointer, _ reason: String? = nil) -> PostgresError {
        let words = reason ?? PQerrorMessage(raw).map { String(cString: $0) } ?? ""
        let needsPassword = reason == nil && PQconnectionNeedsPassword(raw) == 1
        PQfinish(raw)
        return ConnectionFailure(words, needsPassword: needsPassword).error
    }
}

/// The delay before the next connection attempt: doubles each time, with full jitter, so that connections that were
/// lost together do not reconnect together.
struct Backoff {
    private var failures = 0

    static let baseMilliseconds = 50
    static let capMilliseconds = 5000

    mutating func reset() { failures = 0 }

    mutating func nextDelayMilliseconds() -> Int {
        defer { failures = min(failures + 1, 20) }
        return Int.random(in: 0...min(Self.capMilliseconds, Self.baseMilliseconds << failures))
    }
}
