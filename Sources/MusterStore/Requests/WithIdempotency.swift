import MusterProtocol
import Postgres

/// Thrown through a transaction to end it without effect: the request was answered before.
private struct AnsweredBefore: Error {
    let reply: [UInt8]
}

/// Thrown through a transaction to end it without effect: a twin of the request was answered meanwhile.
private struct AnsweredMeanwhile: Error {}

extension ScopedStore {
    /// Runs a write once per request id, and records its reply in the same transaction. A repeat gets the recorded
    /// reply.
    ///
    /// `work` must first take a lock that two runs of the same request can't hold at once, or change nothing: then the
    /// record that is looked for after a refusal is there, if ever.
    func withIdempotency<Reply>(
        _ key: IdempotencyKey, _ work: @escaping @Sendable (borrowing WorkspaceTransaction) throws -> WriteResult<Reply>
    ) async throws -> Reply {
        var attempt = IdempotentAttempt(looksUp: key.isFromCaller)
        while true {
            do {
                let result = try await run(key, looksUp: attempt.looksUp, work)
                for (set, state) in result.sets { store.cache.put(state, for: set) }
                return result.reply
            } catch let answered as AnsweredBefore {
                return try JSONDecoding.decode(from: answered.reply)
            } catch is AnsweredMeanwhile {
                attempt.looksUp = true
            } catch let error as PostgresError {
                try await attempt.goOn(after: error, deadline: scope.deadline)
            }
        }
    }

    private func run<Reply>(
        _ key: IdempotencyKey, looksUp: Bool,
        _ work: @escaping @Sendable (borrowing WorkspaceTransaction) throws -> WriteResult<Reply>
    ) async throws -> WriteResult<Reply> {
        try await transaction { transaction in
            if looksUp { try transaction.endIfAnswered(key) }
            let result: WriteResult<Reply>
            do { result = try work(transaction) } catch let error where !(error is PostgresError) {
                // A twin of this request may have been answered while this one waited for its locks: then the reason
                // for the refusal is what the twin did.
                try transaction.endIfAnswered(key)
                throw error
            }
            try transaction.record(try JSONEncoding.encode(result.reply), of: key)
            return result
        }
    }
}

/// How an idempotent write goes on after a fault.
private struct IdempotentAttempt {
    var looksUp: Bool
    private var unknown: PostgresError?
    private var pause = Duration.milliseconds(5)

    init(looksUp: Bool) {
        self.looksUp = looksUp
    }

    /// Returns where the transaction should run again: the record decides what happened. Throws where that can't be
    /// found out.
    mutating func goOn(after error: PostgresError, deadline: ContinuousClock.Instant) async throws {
        looksUp = true
        if error.kind == .commitOutcomeUnknown { unknown = unknown ?? error }
        guard let unknown else { throw error }
        guard .now + pause < deadline, !Task.isCancelled else { throw unknown }
        do { try await Task.sleep(for: pause) } catch { throw unknown }
        pause = min(pause * 2, .milliseconds(250))
    }
}

extension WorkspaceTransaction {
    fileprivate borrowing func endIfAnswered(_ key: IdempotencyKey) throws {
        let found = try first(
            """
            SELECT payload_digest, reply FROM request_record
            WHERE workspace_id = \(workspace) AND method = \(key.method) AND request_id = \(key.id)
            """
        ) { row in (digest: try row.value(0, as: [UInt8].self), reply: try row.value(1, as: [UInt8].self)) }
        guard let found else { return }
        guard found.digest == key.digest else { throw RequestIDReused() }
        throw AnsweredBefore(reply: found.reply)
    }

    /// Waits for a twin that is recording its reply.
    fileprivate borrowing func record(_ reply: [UInt8], of key: IdempotencyKey) throws {
        let recorded = try first(
            """
            INSERT INTO request_record (workspace_id, method, request_id, payload_digest, reply, recorded_at)
            VALUES (\(workspace), \(key.method), \(key.id), \(key.digest), \(reply), \(Instant.now))
            ON CONFLICT DO NOTHING RETURNING 1
            """
        ) { row in try row.value(0, as: Int32.self) }
        if recorded == nil { throw AnsweredMeanwhile() }
    }
}
