import MusterProtocol
import Postgres

/// Rolls a transaction back: the request was answered before.
private struct AnsweredBefore: Error {
    let reply: [UInt8]
}

/// Rolls a transaction back: a concurrent run of the same request was answered first.
private struct AnsweredMeanwhile: Error {}

extension ScopedStore {
    /// Runs a write once per request id, and records its reply in the same transaction. A repeat gets the recorded
    /// reply.
    ///
    /// `work` must change nothing, or first take a lock that excludes other runs of the same request: only then is the
    /// look-up after a refusal certain to find an existing record.
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
                // A concurrent run may have been answered while this one waited for locks: then its changes caused the
                // refusal.
                try transaction.endIfAnswered(key)
                throw error
            }
            try transaction.record(try JSONEncoding.encode(result.reply), of: key)
            return result
        }
    }
}

/// Decides how an idempotent write continues after an error.
private struct IdempotentAttempt {
    var looksUp: Bool
    private var unknown: PostgresError?
    private var pause = Duration.milliseconds(5)

    init(looksUp: Bool) {
        self.looksUp = looksUp
    }

    /// Returns if the transaction should run again, when the record decides what happened. Throws if the outcome can't
    /// be determined.
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

    /// Waits for a concurrent run that is recording its reply.
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
