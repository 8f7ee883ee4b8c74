import CLibpq
import Locking

/// Identifies a connection's session: a random name that is set in it, and the settings that it must have.
///
/// A pooler in transaction mode assigns each transaction to any of its backends. Settings are lost then, and prepared
/// statements belong to other clients. The first statement of each unit of work reads the name back in the same round
/// trip, so that nothing is committed in another client's session.
final class SessionIdentity {
    /// The setting with the name.
    static let setting = "muster.session"

    let name: String
    let settings: [(name: String, value: String)]
    private let live: LiveSessions

    init(settings: [(name: String, value: String)], live: LiveSessions) {
        name = String(UInt64.random(in: .min ... .max), radix: 36)
        (self.settings, self.live) = (settings, live)
    }

    /// Whether another connection of this database has this name.
    func isOfAnother(_ name: String) -> Bool { name != self.name && live.contains(name) }

    func begin() { live.insert(name) }

    /// Called before the connection is closed: a pooler may assign its backend to the next one at once.
    func end() { live.remove(name) }
}

/// The names of the open sessions.
final class LiveSessions: Sendable {
    private let names = Locked<Set<String>>([])

    func insert(_ name: String) { names.withLock { _ = $0.insert(name) } }
    func remove(_ name: String) { names.withLock { _ = $0.remove(name) } }
    func contains(_ name: String) -> Bool { names.withLock { $0.contains(name) } }
}

/// Connections turned out to share their sessions. All work is refused until that has not been seen for a while.
struct PoolingTrial {
    let evidence: PostgresError
    let trustsAgain: MonotonicTime

    init(_ evidence: PostgresError) {
        self.evidence = evidence
        trustsAgain = .after(milliseconds: Self.milliseconds)
    }

    /// Longer than connections need to see it again, which check their sessions five times per second.
    private static let milliseconds = 10_000
    static let pauseMilliseconds = 200
}

extension DatabaseSession {
    /// Sets the session's settings and reads them back in another transaction. Throws `.unavailable`.
    func establish(until limit: MonotonicTime) throws {
        interrupt.clear()  // replaces the state of the last unit of work; none runs now
        job = Job(deadline: limit)
        do {
            let (former, set) = try setAll()
            if identity.isOfAnother(former) { throw isPooled(.pooledSession) }
            identity.begin()
            try readBack(set)
        } catch let error as PostgresError {
            throw lose(error.ofConnecting)
        }
    }

    /// Checks that this connection still has its own session; if not, the connection is lost.
    func verify(until limit: MonotonicTime) {
        interrupt.clear()  // replaces the state of the last unit of work; none runs now
        job = Job(deadline: limit)
        do { try verifySession() } catch { lose() }
    }

    /// Throws when this is not the session that was established.
    func verifySession() throws {
        let answer = try perform("SELECT coalesce(current_setting(\(SessionIdentity.setting), true), '')")
        try verifyName(answer)
    }

    /// Checks the name of the session in the first column of the first row.
    func verifyName(_ answer: borrowing QueryResult) throws {
        let isOwn = answer.withRow(0) { row in
            row.withBytes(0) { bytes in bytes.map { $0.elementsEqual(identity.name.utf8) } ?? false }
        }
        if !isOwn { throw isPooled(.pooledSession) }
    }

    private func isPooled(_ error: PostgresError) -> PostgresError {
        poolingEvidence = error
        return lose(error)
    }

    /// The session's previous name, and each setting as PostgreSQL shows it now.
    private func setAll() throws -> (former: String, set: [String]) {
        var sql: SQL = "SELECT coalesce(current_setting(\(SessionIdentity.setting), true), '')"
        for (name, value) in [(SessionIdentity.setting, identity.name)] + identity.settings {
            sql += ", set_config(\(name), \(value), false)"
        }
        let values = try strings(try perform(sql))
        return (values[0], Array(values.dropFirst(2)))
    }

    private func readBack(_ set: [String]) throws {
        var sql: SQL =
            "SELECT coalesce(current_setting(\(SessionIdentity.setting), true), ''), pg_backend_pid()::text"
        for (name, _) in identity.settings { sql += ", current_setting(\(name), true)" }
        let values = try strings(try perform(sql))
        guard values[0] == identity.name else { throw isPooled(.pooledSession) }
        for (setting, (wanted, found)) in zip(identity.settings, zip(set, values.dropFirst(2))) where wanted != found {
            throw PostgresError.settingLost(setting.name, wanted: wanted, found: found)
        }
        // A pooler invents the process that it names for cancelling.
        isBehindPooler = values[1] != String(PQbackendPID(raw))
        if isBehindPooler { try tryTransaction() }
    }

    /// A pooler in statement mode closes the connection at BEGIN.
    private func tryTransaction() throws {
        do {
            try simple("BEGIN")
            try simple("ROLLBACK")
        } catch let error as PostgresError where error.sqlState == .protocolViolation {
            throw isPooled(.pooledSession)
        }
    }

    private func strings(_ answer: borrowing QueryResult) throws -> [String] {
        guard answer.rowCount == 1 else { throw PostgresError(.decoding, "PostgreSQL did not show its settings") }
        return try answer.withRow(0) { row in
            var values: [String] = []
            for column in 0..<row.count { values.append(try row.value(column, as: String?.self) ?? "") }
            return values
        }
    }
}

extension PostgresError {
    private static let useSessionMode =
        "use session pooling (pgbouncer: pool_mode = session), or connect to PostgreSQL itself"

    /// The session belongs to another client, or no transaction can begin in it.
    static var pooledSession: PostgresError {
        var error = refusal(
            "a pooler between this server and PostgreSQL runs in transaction or statement mode, which loses sessions",
            useSessionMode)
        error.isPooling = true
        return error
    }

    fileprivate static func settingLost(_ name: String, wanted: String, found: String) -> PostgresError {
        refusal("the setting \(name) was set to \(wanted) and is \(found) in the next statement", useSessionMode)
    }

    private static func refusal(_ message: String, _ hint: String) -> PostgresError {
        var error = PostgresError(.unavailable, message)
        (error.isRefusal, error.hint) = (true, hint)
        return error
    }

    /// The error while a session was being established.
    var ofConnecting: PostgresError {
        var error = asKind(.unavailable)
        if kind == .deadlineExceeded {
            error.message =
                "connected, and no answer to the first statement in time: "
                + "PostgreSQL is busy, or a pooler in front of it has no free session or can't reach it"
        }
        guard kind == .server, let sqlState, ConnectionFailure.advice[sqlState] != nil else { return error }
        // Setting what can't be set: retrying won't help.
        error.isRefusal = true
        error.hint = ConnectionFailure.checkSetting
        return error
    }
}
