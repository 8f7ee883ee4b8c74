import MusterProtocol
import Postgres

/// Thrown through a transaction to end it without effect: the request was answered before.
private struct AnsweredBefore: Error {
    let reply: [UInt8]
}

extension Store {
    /// Runs a write once per request id, and records its reply in the same transaction. A repeat gets the recorded reply.
    ///
    /// `work` must first take a lock that two runs of the same request can't hold at once, or change nothing: then the record
    /// that is looked for after a refusal is there, if ever.
    func recorded<Reply>(
        _ request: RequestKey, in workspace: WorkspaceID, deadline: ContinuousClock.Instant,
        _ work: @escaping @Sendable (borrowing Connection) throws -> Written<Reply>
    ) async throws -> Reply {
        var attempt = RecordedAttempt(looksUp: request.isFromCaller)
        while true {
            do {
                let written = try await run(request, looksUp: attempt.looksUp, in: workspace, deadline: deadline, work)
                for (set, state) in written.sets { cache.put(state, for: set) }
                return written.reply
            } catch let answered as AnsweredBefore {
                return try JSONDecoding.decode(from: answered.reply)
            } catch let error as PostgresError {
                try await attempt.goOn(after: error, deadline: deadline)
            }
        }
    }

    private func run<Reply>(
        _ request: RequestKey, looksUp: Bool, in workspace: WorkspaceID, deadline: ContinuousClock.Instant,
        _ work: @escaping @Sendable (borrowing Connection) throws -> Written<Reply>
    ) async throws -> Written<Reply> {
        try await transaction(in: workspace, deadline: deadline) { connection in
            if looksUp { try connection.endIfAnswered(request, in: workspace) }
            let written: Written<Reply>
            do { written = try work(connection) } catch let error where !(error is PostgresError) {
                // A twin of this request may have been answered while this one waited for its locks: then the reason for the
                // refusal is what the twin did.
                try connection.endIfAnswered(request, in: workspace)
                throw error
            }
            try connection.record(try JSONEncoding.encode(written.reply), of: request, in: workspace)
            return written
        }
    }
}

/// How a recorded write goes on after a fault.
private struct RecordedAttempt {
    var looksUp: Bool
    private var unknown: PostgresError?
    private var pause = Duration.milliseconds(5)

    init(looksUp: Bool) {
        self.looksUp = looksUp
    }

    /// Returns where the transaction should run again: the record decides what happened. Throws where that can't be found out.
    mutating func goOn(after error: PostgresError, deadline: ContinuousClock.Instant) async throws {
        looksUp = true
        // A twin was faster; its record is there, since the index lets nobody know of it sooner.
        if error.sqlState == .uniqueViolation, error.constraint == "request_record_pkey" { return }
        if error.kind == .commitOutcomeUnknown { unknown = unknown ?? error }
        guard let unknown else { throw error }
        guard .now + pause < deadline, !Task.isCancelled else { throw unknown }
        do { try await Task.sleep(for: pause) } catch { throw unknown }
        pause = min(pause * 2, .milliseconds(250))
    }
}

extension Connection {
    fileprivate borrowing func endIfAnswered(_ request: RequestKey, in workspace: WorkspaceID) throws {
        let found = try first(
            """
            SELECT payload_digest, reply FROM request_record
            WHERE workspace_id = \(workspace) AND method = \(request.method) AND request_id = \(request.id)
            """
        ) { row in (digest: try row.value(0, as: [UInt8].self), reply: try row.value(1, as: [UInt8].self)) }
        guard let found else { return }
        guard found.digest == request.digest else { throw RequestIDReused() }
        throw AnsweredBefore(reply: found.reply)
    }

    fileprivate borrowing func record(_ reply: [UInt8], of request: RequestKey, in workspace: WorkspaceID) throws {
        try execute(
            """
            INSERT INTO request_record (workspace_id, method, request_id, payload_digest, reply, recorded_at)
            VALUES (\(workspace), \(request.method), \(request.id), \(request.digest), \(reply), \(Instant.now))
            """)
    }
}
