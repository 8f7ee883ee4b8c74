import CLibpq

/// How a unit of work begins and ends.
extension Session {
    /// One transaction: `body`, then COMMIT, or ROLLBACK when it throws. Without a statement nothing is sent at all.
    func transaction<R>(_ unit: Unit, _ body: (borrowing Connection) throws -> R) throws -> R {
        self.unit = unit
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

    /// One statement under an implicit transaction, which ends with the round trip.
    func read<R>(_ unit: Unit, _ sql: SQL, _ row: (borrowing Row) throws -> R) throws -> [R] {
        self.unit = unit
        self.unit.isReadOnly = true
        defer { settle() }
        return try Connection(self).query(sql, row)
    }

    /// Statements outside of any transaction; what they set for the session is gone afterwards.
    func bare<R>(_ unit: Unit, _ body: (borrowing Connection) throws -> R) throws -> R {
        self.unit = unit
        defer {
            discardAll()
            settle()
        }
        let timeout = unit.deadline.milliseconds(since: .now)
        try verifyName(
            try perform(
                """
                SELECT current_setting(\(SessionIdentity.setting), true),
                    set_config('statement_timeout', \(String(min(max(timeout, 1), 2_147_483_647))), false)
                """))
        return try body(Connection(self))
    }

    /// Only the tag COMMIT counts, and after COMMIT was sent only an answer tells what happened.
    private func commit() throws {
        guard unit.opening == nil else { return }
        try checkMaySend()
        (unit.isClosing, unit.isCommitting) = (true, true)
        defer { unit.isCommitting = false }
        let tag: String
        do {
            tag = try simple("COMMIT")
        } catch let error as PostgresError where isLost {
            throw error.asKind(.commitOutcomeUnknown)
        }
        unit.isClosing = false
        guard tag == "COMMIT" else { throw PostgresError(.notCommitted, "COMMIT was answered with \(tag)") }
        switch unit.commitWarning {
        case nil: return
        case .noTransaction: throw PostgresError(.notCommitted, "no transaction was open at COMMIT")
        case .notReplicated: throw PostgresError(.commitOutcomeUnknown, "the wait for a standby was broken off")
        }
    }

    /// A connection that does not say at once that it rolled back is closed, which rolls back as well.
    private func rollback() {
        guard !isLost, PQtransactionStatus(raw) != PQTRANS_IDLE else { return }
        settleCancel()
        guard !isLost else { return }
        unit.isClosing = true
        unit.limit = min(.after(milliseconds: 1000), max(unit.limit, .after(milliseconds: 50)))
        do { try simple("ROLLBACK") } catch { lose() }
    }

    private func discardAll() {
        // A cancel that may still hit, or a wish for another connection, ends it anyway: see `settle`.
        settleCancel()
        guard !isLost, !unit.wantsNewConnection else { return }
        if PQtransactionStatus(raw) != PQTRANS_IDLE { rollback() }
        unit.isClosing = true
        unit.limit = .after(milliseconds: 1000)
        cache.removeAll()
        do {
            try simple("DISCARD ALL")
            try establish(until: unit.limit)
        } catch { lose() }
    }

    /// A connection goes on only from a known state: no transaction, and no cancel under way that could hit the next unit.
    private func settle() {
        settleCancel()
        unit.isClosing = false
        if PQtransactionStatus(raw) != PQTRANS_IDLE || unit.wantsNewConnection { lose() }
    }

    /// Runs `body`; what it did is undone when it throws, and the transaction goes on.
    func savepoint<R>(_ body: () throws -> R) throws -> R {
        savepoints += 1
        defer { savepoints -= 1 }
        let name = "m\(savepoints)"
        try checkMaySend()
        try openAlone()
        try simple("SAVEPOINT \(name)")
        do {
            let value = try body()
            try checkMaySend()
            try simple("RELEASE SAVEPOINT \(name)")
            return value
        } catch {
            if !isLost, unit.cancellation == .none {
                try simple("ROLLBACK TO SAVEPOINT \(name); RELEASE SAVEPOINT \(name)")
            }
            throw error
        }
    }
}
