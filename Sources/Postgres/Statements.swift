import CLibpq

/// Sends statements: prepares each once, and sends everything that is known in one round trip.
extension Session {
    /// Runs one statement and returns its result; the connection is then ready for the next one.
    func perform(_ sql: SQL) throws -> Answer {
        try checkMaySend()
        if let failure = sql.parameters.failure { throw failure }
        let opening = unit.opening
        do {
            return try send(sql, opening)
        } catch let error as PostgresError where isStale(error) {
            // The server has lost or invalidated a prepared statement. If this was the unit's first round trip, or if
            // each statement stands alone, the unit has had no effect, and the statement is sent again.
            cache.removeAll()
            guard opening != nil || PQtransactionStatus(raw) == PQTRANS_IDLE else { throw error }
            if PQtransactionStatus(raw) != PQTRANS_IDLE { try simple("ROLLBACK") }
            // Without a prologue, nothing else would detect that the statement is missing because the session belongs
            // to another client.
            if opening == nil { try verifySession() }
            unit.opening = opening
            return try send(sql, opening)
        }
    }

    private func send(_ sql: SQL, _ opening: Opening?) throws -> Answer {
        let key = StatementKey(text: sql.text, types: sql.parameters.types)
        if opening == nil, let name = cache.name(of: key) {
            try mustSend(bind(name, sql.parameters))
            return try onlyAnswer()
        }
        return try pipeline { trip in
            if let opening { try open(opening, &trip) }
            try enqueue(key, sql.parameters, &trip)
        }
    }

    /// Begins the transaction separately when it can't share a round trip: COPY and scripts can't be pipelined.
    func openAlone() throws {
        guard let opening = unit.opening else { return }
        _ = try pipeline { trip in try open(opening, &trip) }
    }

    private func open(_ opening: Opening, _ trip: inout Trip) throws {
        if opening.begins { try enqueue(opening.begin, &trip) }
        var sql: SQL = "SELECT current_setting('muster.session',true)"
        for setting in opening.settings {
            sql.text.append(contentsOf: ",set_config(".utf8)
            sql.bind(setting.0)
            sql.text.append(UInt8(ascii: ","))
            sql.bind(setting.1)
            sql.text.append(contentsOf: ",true)".utf8)
        }
        try enqueue(sql, &trip)
        trip.steps[trip.steps.count - 1] = .verify
    }

    private func enqueue(_ sql: SQL, _ trip: inout Trip) throws {
        if let failure = sql.parameters.failure { throw failure }
        try enqueue(StatementKey(text: sql.text, types: sql.parameters.types), sql.parameters, &trip)
    }

    private func enqueue(_ key: StatementKey, _ parameters: Parameters, _ trip: inout Trip) throws {
        if let name = cache.name(of: key) {
            trip.steps.append(.execute)
            return try mustSend(bind(name, parameters))
        }
        if let oldest = cache.evict() {
            trip.steps.append(.forget)
            try mustSend(PQsendQueryParams(raw, "DEALLOCATE \(oldest)", 0, nil, nil, nil, nil, 1))
        }
        let name = cache.newName()
        trip.steps.append(.prepare(key, name: name))
        try mustSend(prepare(key, name))
        trip.steps.append(.execute)
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
struct Trip {
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

extension Session {
    /// Sends several commands under one sync and returns the last result. The first error ends all of them.
    private func pipeline(_ fill: (inout Trip) throws -> Void) throws -> Answer {
        try mustSend(PQenterPipelineMode(raw))
        var trip = Trip()
        do {
            try fill(&trip)
            try mustSend(PQpipelineSync(raw))
        } catch {
            lose()  // libpq's buffer contains a part of the batch
            throw error
        }
        unit.opening = nil
        let answer = try lastAnswer(to: &trip)
        guard PQexitPipelineMode(raw) == 1 else { throw lose(PostgresError(.connectionLost, connectionMessage)) }
        if let failure = trip.failure { throw failure }
        guard let answer else { throw lose(PostgresError(.connectionLost, "the server did not answer")) }
        return answer
    }

    private func lastAnswer(to trip: inout Trip) throws -> Answer? {
        var last: Answer?
        var steps = trip.steps[...]
        while true {
            guard let answer = try nextAnswer() else { continue }
            switch answer.status {
            case PGRES_PIPELINE_SYNC: return last
            case PGRES_PIPELINE_ABORTED: _ = steps.popFirst()
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY:
                unit.hasAnswer = true
                switch steps.popFirst() {
                case .prepare(let key, let name): cache.insert(key, name: name)
                case .verify: try verifyName(answer)
                default: break
                }
                last = consume answer
            default:
                trip.failure = trip.failure ?? error(answer)
                _ = steps.popFirst()
                if isLost { throw trip.failure ?? PostgresError(.connectionLost) }
            }
        }
    }

    /// The only result of a statement that was sent alone.
    private func onlyAnswer() throws -> Answer {
        guard let answer = try nextAnswer() else { throw PostgresError(.misuse, "the statement has no result") }
        switch answer.status {
        case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: unit.hasAnswer = true
        default:
            let failure = error(answer)
            if !isLost { try skipAnswers() }
            throw failure
        }
        try skipAnswers()
        return answer
    }

    func skipAnswers() throws {
        while let answer = try nextAnswer() {
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
        while let answer = try nextAnswer() {
            switch answer.status {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY:
                unit.hasAnswer = true
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
    func error(_ answer: borrowing Answer) -> PostgresError {
        switch answer.status {
        case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
            return lose(PostgresError(.misuse, "COPY goes through copyIn and copyOut"))
        default: break
        }
        let error = answer.error(.server)
        if error.severity != "ERROR" || PQstatus(raw) == CONNECTION_BAD { return lose(error.asKind(.connectionLost)) }
        unit.hasAnswer = true
        // A standby, or a former primary: a new connection finds the current primary.
        if error.sqlState == .readOnlyTransaction, !unit.isReadOnly { unit.wantsNewConnection = true }
        guard error.sqlState == .queryCanceled else { return error }
        if unit.cancellation == .asked {
            unit.cancellation = .done
            return error.asKind(.cancelled)
        }
        return unit.deadline.adding(milliseconds: -Unit.grace) <= .now ? error.asKind(.deadlineExceeded) : error
    }
}
