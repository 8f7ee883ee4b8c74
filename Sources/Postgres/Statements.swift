import CLibpq

/// Sends statements: prepares each once, and sends everything that is known in one round trip.
extension DatabaseSession {
    /// Runs one statement and returns its result; the connection is then ready for the next one.
    func perform(_ sql: SQL) throws -> QueryResult {
        try checkMaySend()
        if let failure = sql.parameters.failure { throw failure }
        let prologue = job.prologue
        do {
            return try send(sql, prologue)
        } catch let error as PostgresError where isStale(error) {
            // The server has lost or invalidated a prepared statement. If this was the unit's first round trip, or if
            // each statement stands alone, the unit has had no effect, and the statement is sent again.
            cache.removeAll()
            guard prologue != nil || PQtransactionStatus(raw) == PQTRANS_IDLE else { throw error }
            if PQtransactionStatus(raw) != PQTRANS_IDLE { try simple("ROLLBACK") }
            // Without a prologue, nothing else would detect that the statement is missing because the session belongs
            // to another client.
            if prologue == nil { try verifySession() }
            job.prologue = prologue
            return try send(sql, prologue)
        }
    }

    private func send(_ sql: SQL, _ prologue: TransactionPrologue?) throws -> QueryResult {
        let key = StatementKey(text: sql.text, types: sql.parameters.types)
        if prologue == nil, let name = cache.name(of: key) {
            try mustSend(bind(name, sql.parameters))
            return try onlyResult()
        }
        return try pipeline { batch in
            if let prologue { try open(prologue, &batch) }
            try enqueue(key, sql.parameters, &batch)
        }
    }

    /// Begins the transaction separately when it can't share a round trip: scripts can't be pipelined.
    func openAlone() throws {
        guard let prologue = job.prologue else { return }
        _ = try pipeline { batch in try open(prologue, &batch) }
    }

    private func open(_ prologue: TransactionPrologue, _ batch: inout PipelineBatch) throws {
        if prologue.begins { try enqueue(prologue.begin, &batch) }
        var sql: SQL = "SELECT current_setting('muster.session',true)"
        for setting in prologue.settings {
            sql.text.append(contentsOf: ",set_config(".utf8)
            sql.bind(setting.0)
            sql.text.append(UInt8(ascii: ","))
            sql.bind(setting.1)
            sql.text.append(contentsOf: ",true)".utf8)
        }
        try enqueue(sql, &batch)
        batch.steps[batch.steps.count - 1] = .verify
    }

    private func enqueue(_ sql: SQL, _ batch: inout PipelineBatch) throws {
        if let failure = sql.parameters.failure { throw failure }
        try enqueue(StatementKey(text: sql.text, types: sql.parameters.types), sql.parameters, &batch)
    }

    private func enqueue(_ key: StatementKey, _ parameters: Parameters, _ batch: inout PipelineBatch) throws {
        if let name = cache.name(of: key) {
            batch.steps.append(.execute)
            return try mustSend(bind(name, parameters))
        }
        if let oldest = cache.evict() {
            batch.steps.append(.forget)
            try mustSend(PQsendQueryParams(raw, "DEALLOCATE \(oldest)", 0, nil, nil, nil, nil, 1))
        }
        let name = cache.newName()
        batch.steps.append(.prepare(key, name: name))
        try mustSend(prepare(key, name))
        batch.steps.append(.execute)
        try mustSend(bind(name, parameters))
    }

    private func prepare(_ key: StatementKey, _ name: String) throws -> Int32 {
        guard !key.text.contains(0) else { throw PostgresError(.encoding, "a statement has a NUL") }
        return (key.text + [0]).withUnsafeBytes { text in
            PQsendPrepare(
                raw, name, text.assumingMemoryBound(to: CChar.self).baseAddress, Int32(clamping: key.types.count),
                key.types)
        }
    }

    private func bind(_ name: String, _ parameters: Parameters) -> Int32 {
        let count = parameters.lengths.count
        guard count > 0 else { return PQsendQueryPrepared(raw, name, 0, nil, nil, nil, 1) }
        while formats.count < count { formats.append(1) }
        return parameters.buffer.bytes.withUnsafeBufferPointer { bytes in
            // Never nil, even when all values are empty: nil means NULL to libpq.
            let base = bytes.baseAddress.map { UnsafeRawPointer($0) } ?? UnsafeRawPointer(emptyValue)
            var offset = 0
            pointers.removeAll(keepingCapacity: true)
            for length in parameters.lengths {
                pointers.append(length < 0 ? nil : (base + offset).assumingMemoryBound(to: CChar.self))
                offset += Int(max(length, 0))
            }
            return PQsendQueryPrepared(raw, name, Int32(clamping: count), pointers, parameters.lengths, formats, 1)
        }
    }

    func mustSend(_ sent: Int32) throws {
        guard sent == 1 else { throw lose(PostgresError(.connectionLost, connectionMessage)) }
    }

    private func isStale(_ error: PostgresError) -> Bool {
        switch error.sqlState {
        case .invalidStatementName: true
        case .featureNotSupported: error.sourceFunction == "RevalidateCachedQuery"
        default: false
        }
    }
}

/// The address of empty values.
nonisolated(unsafe) private let emptyValue: UnsafePointer<CChar> = {
    let byte = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
    byte.initialize(to: 0)  // immutable, so all threads may read it
    return UnsafePointer(byte)
}()

/// Commands that are sent together; the position of a result identifies its command.
struct PipelineBatch {
    enum Step {
        case prepare(StatementKey, name: String)
        case forget
        case execute
        /// Returns the session's name.
        case verify
    }
    var steps: [Step] = []
    /// The first error; the server skips everything after it.
    var failure: PostgresError?
}

extension DatabaseSession {
    /// Sends several commands under one sync and returns the last result. The first error ends all of them.
    private func pipeline(_ fill: (inout PipelineBatch) throws -> Void) throws -> QueryResult {
        try mustSend(PQenterPipelineMode(raw))
        var batch = PipelineBatch()
        do {
            try fill(&batch)
            try mustSend(PQpipelineSync(raw))
        } catch {
            lose()  // libpq's buffer contains a part of the batch
            throw error
        }
        job.prologue = nil
        let answer = try lastResult(to: &batch)
        guard PQexitPipelineMode(raw) == 1 else { throw lose(PostgresError(.connectionLost, connectionMessage)) }
        if let failure = batch.failure { throw failure }
        guard let answer else { throw lose(PostgresError(.connectionLost, "the server did not answer")) }
        return answer
    }

    private func lastResult(to batch: inout PipelineBatch) throws -> QueryResult? {
        var last: QueryResult?
        var steps = batch.steps[...]
        while true {
            guard let answer = try nextResult() else { continue }
            switch answer.status {
            case PGRES_PIPELINE_SYNC: return last
            case PGRES_PIPELINE_ABORTED: _ = steps.popFirst()
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY:
                job.hasResult = true
                switch steps.popFirst() {
                case .prepare(let key, let name): cache.insert(key, name: name)
                case .verify: try verifyName(answer)
                default: break
                }
                last = consume answer
            default:
                batch.failure = batch.failure ?? error(answer)
                _ = steps.popFirst()
                if isLost { throw batch.failure ?? PostgresError(.connectionLost) }
            }
        }
    }

    /// The only result of a statement that was sent alone.
    private func onlyResult() throws -> QueryResult {
        guard let answer = try nextResult() else { throw PostgresError(.misuse, "the statement has no result") }
        switch answer.status {
        case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: job.hasResult = true
        default:
            let failure = error(answer)
            if !isLost { try skipResults() }
            throw failure
        }
        try skipResults()
        return answer
    }

    func skipResults() throws {
        while let answer = try nextResult() {
            if answer.status == PGRES_FATAL_ERROR { _ = error(answer) }
            if isLost { return }
        }
    }

    /// Runs statements without values in one message and returns the last command tag. Throws the first error after all
    /// results are read.
    @discardableResult
    func simple(_ text: String) throws -> String {
        guard !text.utf8.contains(0) else { throw PostgresError(.encoding, "a statement has a NUL") }
        try mustSend(PQsendQuery(raw, text))
        var failure: PostgresError?
        var tag = ""
        while let answer = try nextResult() {
            switch answer.status {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY:
                job.hasResult = true
                tag = answer.commandTag
            default:
                failure = failure ?? error(answer)
                if isLost { break }
            }
            if isLost { break }
        }
        if let failure { throw failure }
        return tag
    }

    /// The error of an unsuccessful result; also updates the state of the connection.
    func error(_ answer: borrowing QueryResult) -> PostgresError {
        switch answer.status {
        case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
            return lose(PostgresError(.misuse, "COPY is not supported"))
        default: break
        }
        let error = answer.error(.server)
        if error.severity != "ERROR" || PQstatus(raw) == CONNECTION_BAD { return lose(error.asKind(.connectionLost)) }
        job.hasResult = true
        // A standby, or a former primary: a new connection finds the current primary.
        if error.sqlState == .readOnlyTransaction, !job.isReadOnly { job.wantsNewConnection = true }
        guard error.sqlState == .queryCanceled else { return error }
        if job.cancellation == .asked {
            job.cancellation = .done
            return error.asKind(.cancelled)
        }
        return job.deadline.adding(milliseconds: -Job.grace) <= .now ? error.asKind(.deadlineExceeded) : error
    }
}
