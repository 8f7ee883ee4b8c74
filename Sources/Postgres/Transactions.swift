import CLibpq

/// Begins and ends units of work.
extension DatabaseSession {
    /// Runs `body` in a transaction: COMMIT, or ROLLBACK when it throws. Without a statement nothing is sent.
    func transaction<R>(_ job: Job, _ body: (borrowing Connection) throws -> R) throws -> R {
        self.job = job
        defer { settle() }
        do {
            let value = try body(Connection(self))
            try commit()
            return value
        } catch {
            rollback()
            throw error
        }
    }

    /// Runs one statement in an implicit transaction, which ends with the round trip.
    func read<R>(_ job: Job, _ sql: SQL, _ row: (borrowing Row) throws -> R) throws -> [R] {
        self.job = job
        self.job.isReadOnly = true
        defer { settle() }
        return try Connection(self).query(sql, row)
    }

    /// Runs statements outside of any transaction; their session settings are reset afterwards.
    func bare<R>(_ job: Job, _ body: (borrowing Connection) throws -> R) throws -> R {
        self.job = job
        defer {
            discardAll()
            settle()
        }
        let timeout = job.deadline.milliseconds(since: .now)
        try verifyName(
            try perform(
                """
                SELECT current_setting(\(SessionIdentity.setting), true),
                    set_config('statement_timeout', \(String(min(max(timeout, 1), 2_147_483_647))), false)
                """))
        return try body(Connection(self))
    }

    /// Only the tag COMMIT confirms; after COMMIT is sent, only an answer reveals the outcome.
    private func commit() throws {
        guard job.prologue == nil else { return }
        try checkMaySend()
        (job.isClosing, job.isCommitting) = (true, true)
        defer { job.isCommitting = false }
        let tag: String
        do {
            tag = try simple("COMMIT")
        } catch let error as PostgresError where isLost {
            throw error.asKind(.commitOutcomeUnknown)
        }
        job.isClosing = false
        guard tag == "COMMIT" else { throw PostgresError(.notCommitted, "the server answered COMMIT with \(tag)") }
        switch job.commitWarning {
        case nil: return
        case .noTransaction: throw PostgresError(.notCommitted, "no transaction was open at COMMIT")
        case .notReplicated: throw PostgresError(.commitOutcomeUnknown, "the wait for a standby was interrupted")
        }
    }

    /// A connection that does not confirm the rollback quickly is closed, which rolls back as well.
    private func rollback() {
        guard !isLost, PQtransactionStatus(raw) != PQTRANS_IDLE else { return }
        settleCancel()
        guard !isLost else { return }
        job.isClosing = true
        job.limit = min(.after(milliseconds: 1000), max(job.limit, .after(milliseconds: 50)))
        do { try simple("ROLLBACK") } catch { lose() }
    }

    private func discardAll() {
        // A pending cancel, or the request for another connection, closes it anyway: see `settle`.
        settleCancel()
        guard !isLost, !job.wantsNewConnection else { return }
        if PQtransactionStatus(raw) != PQTRANS_IDLE { rollback() }
        job.isClosing = true
        job.limit = .after(milliseconds: 1000)
        cache.removeAll()
        do {
            try simple("DISCARD ALL")
            try establish(until: job.limit)
        } catch { lose() }
    }

    /// Keeps the connection only in a known state: no transaction, and no pending cancel that could hit the next unit.
    private func settle() {
        settleCancel()
        job.isClosing = false
        if PQtransactionStatus(raw) != PQTRANS_IDLE || job.wantsNewConnection { lose() }
    }
}
