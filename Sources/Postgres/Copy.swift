import CLibpq

extension Connection {
    /// `COPY … FROM STDIN (FORMAT binary)`, with the rows that `fill` writes. When `fill` throws, none is kept.
    ///
    /// The server takes each value for what the column is, so Swift types must match columns exactly: Int32 for
    /// integer, Int64 or Int for bigint.
    public borrowing func copyIn(_ sql: SQL, _ fill: (inout CopyWriter) throws -> Void) throws {
        try session.startCopy(sql, PGRES_COPY_IN)
        var writer = CopyWriter(session)
        do {
            try fill(&writer)
            try writer.end()
        } catch {
            if !session.isLost { try session.endCopyIn("given up by the client") }
            throw error
        }
        if let failure = try session.endCopyIn(nil) { throw failure }
    }

    /// `COPY … TO STDOUT (FORMAT binary)`, row by row as they arrive, in constant memory.
    public borrowing func copyOut(_ sql: SQL, _ row: (borrowing CopyRow) throws -> Void) throws {
        try session.startCopy(sql, PGRES_COPY_OUT)
        var reader = CopyReader()
        do {
            while let message = try session.nextCopyData() {
                try reader.read(message.bytes, row)
            }
        } catch {
            if !session.isLost { try? session.endCopyOut() }
            throw error
        }
        if let failure = try session.restOfCopy() { throw failure }
    }
}

/// Writes the rows of a `copyIn`.
public struct CopyWriter: ~Copyable {
    private let session: DatabaseSession
    private var buffer = ParameterBuffer()

    /// What is gathered before it is given to libpq.
    private static let chunk = 64 * 1024

    init(_ session: DatabaseSession) {
        self.session = session
        buffer.bytes.reserveCapacity(Self.chunk + 1024)
        buffer.append(contentsOf: copySignature)
        buffer.append(bigEndian: Int32(0))  // flags
        buffer.append(bigEndian: Int32(0))  // no extension
    }

    /// One row, with a value per column.
    public mutating func row<each Value: PostgresEncodable>(_ value: repeat each Value) throws {
        var columns = 0
        for _ in repeat (each Value).self { columns += 1 }
        try beginRow(columns: columns)
        repeat try append(each value)
    }

    /// Begins a row, whose values must follow one by one.
    public mutating func beginRow(columns: Int) throws {
        if buffer.bytes.count >= Self.chunk { try flush() }
        guard let columns = Int16(exactly: columns) else { throw PostgresError(.encoding, "too many columns") }
        buffer.append(bigEndian: columns)
    }

    /// The next value of the row.
    public mutating func append<T: PostgresEncodable>(_ value: T) throws { try buffer.appendElement(value) }

    /// The next value of the row, as text. Throws when there is a NUL in it.
    public mutating func append(text: UnsafeRawBufferPointer) throws {
        try buffer.appendWithLength { try $0.append(text: text) }
    }

    fileprivate mutating func end() throws {
        buffer.append(bigEndian: Int16(-1))
        try flush()
    }

    private mutating func flush() throws {
        try session.putCopyData(buffer.bytes)
        buffer.bytes.removeAll(keepingCapacity: true)
    }
}

/// One row of a `copyOut`, lent to a closure. COPY does not say of which type a column is: ask for what it is.
public struct CopyRow: ~Copyable {
    fileprivate let fields: [UnsafeRawBufferPointer?]

    /// The number of columns.
    public var count: Int { fields.count }

    /// The value of a column, counted from 0. Throws for a NULL that `T` cannot hold, or a length that is not `T`'s.
    public borrowing func value<T: PostgresDecodable>(_ column: Int, as type: T.Type = T.self) throws -> T {
        guard fields.indices.contains(column) else {
            throw PostgresError(.decoding, "column \(column) where a row has \(count)")
        }
        return try fields[column].map { try T(postgres: $0) } ?? T.decodeNull()
    }

    /// The bytes of a column in PostgreSQL's binary format; nil for NULL or no such column.
    public borrowing func withBytes<R>(_ column: Int, _ body: (UnsafeRawBufferPointer?) throws -> R) rethrows -> R {
        try body(fields.indices.contains(column) ? fields[column] : nil)
    }
}

private let copySignature: [UInt8] = Array("PGCOPY\n".utf8) + [0xff] + Array("\r\n".utf8) + [0]

/// Takes the messages of a COPY apart. The server sends a row in each; the first also has the header.
private struct CopyReader {
    private var isAfterHeader = false
    private var fields: [UnsafeRawBufferPointer?] = []

    mutating func read(_ message: UnsafeRawBufferPointer, _ row: (borrowing CopyRow) throws -> Void) throws {
        var rest = message
        if !isAfterHeader {
            guard rest.count >= 19, rest.prefix(11).elementsEqual(copySignature) else { throw Self.notBinary }
            let more = Int(readBigEndian(rest, at: 15, as: Int32.self))
            guard more >= 0, more <= rest.count - 19 else { throw Self.notBinary }
            rest = UnsafeRawBufferPointer(rebasing: rest[(19 + more)...])
            isAfterHeader = true
        }
        while !rest.isEmpty {
            let count = try Self.integer(Int16.self, &rest)
            if count == -1 { return }  // the trailer
            fields.removeAll(keepingCapacity: true)
            for _ in 0..<max(count, 0) { fields.append(try Self.field(&rest)) }
            try row(CopyRow(fields: fields))
        }
    }

    private static func field(_ rest: inout UnsafeRawBufferPointer) throws -> UnsafeRawBufferPointer? {
        let length = Int(try integer(Int32.self, &rest))
        if length == -1 { return nil }
        guard length >= 0, length <= rest.count else { throw notBinary }
        defer { rest = UnsafeRawBufferPointer(rebasing: rest[length...]) }
        return UnsafeRawBufferPointer(rebasing: rest[..<length])
    }

    private static func integer<I: FixedWidthInteger>(_: I.Type, _ rest: inout UnsafeRawBufferPointer) throws -> I {
        let width = MemoryLayout<I>.size
        guard rest.count >= width else { throw notBinary }
        defer { rest = UnsafeRawBufferPointer(rebasing: rest[width...]) }
        return readBigEndian(rest, as: I.self)
    }

    private static var notBinary: PostgresError {
        PostgresError(.decoding, "COPY did not send its binary format; the statement must say (FORMAT binary)")
    }
}

/// A piece of a COPY that libpq has allocated.
struct CopyData: ~Copyable {
    private let start: UnsafeMutablePointer<CChar>
    let bytes: UnsafeRawBufferPointer

    init(_ start: UnsafeMutablePointer<CChar>, count: Int) {
        self.start = start
        bytes = UnsafeRawBufferPointer(start: start, count: count)
    }

    deinit { PQfreemem(start) }
}

extension DatabaseSession {
    fileprivate func startCopy(_ sql: SQL, _ expected: ExecStatusType) throws {
        try checkMaySend()
        guard sql.parameters.types.isEmpty else { throw PostgresError(.misuse, "COPY takes no bound values") }
        try openAlone()
        guard !sql.text.contains(0) else { throw PostgresError(.encoding, "a statement has a NUL") }
        let text = sql.text + [0]
        try mustSend(text.withUnsafeBytes { PQsendQuery(raw, $0.assumingMemoryBound(to: CChar.self).baseAddress) })
        guard let answer = try nextResult() else { throw PostgresError(.misuse, "the statement is not a COPY") }
        if answer.status == expected { return }
        if answer.status == PGRES_FATAL_ERROR {
            let failure = error(answer)
            if !isLost { try skipResults() }
            throw failure
        }
        throw lose(PostgresError(.misuse, "the statement is not a COPY in this direction"))
    }

    /// libpq's own buffer grows while the server is slow, so each chunk is sent before the next is made.
    fileprivate func putCopyData(_ bytes: [UInt8]) throws {
        while true {
            let sent = bytes.withUnsafeBytes {
                PQputCopyData(raw, $0.assumingMemoryBound(to: CChar.self).baseAddress, Int32(clamping: $0.count))
            }
            if sent == 1 { break }
            guard sent == 0 else { throw lose(PostgresError(.connectionLost, connectionMessage)) }
            try waitUnlessEnded()
        }
        try flushFully()
    }

    private func flushFully() throws {
        while true {
            switch PQflush(raw) {
            case 0: return
            case 1: try waitUnlessEnded()
            default: throw lose(PostgresError(.connectionLost, connectionMessage))
            }
        }
    }

    /// Ends a COPY by success, or with a reason by failure. Returns what the server said against it.
    @discardableResult
    fileprivate func endCopyIn(_ reason: String?) throws -> PostgresError? {
        while true {
            let ended = PQputCopyEnd(raw, reason)
            if ended == 1 { break }
            guard ended == 0 else { throw lose(PostgresError(.connectionLost, connectionMessage)) }
            try waitUnlessEnded()
        }
        return try restOfCopy()
    }

    fileprivate func restOfCopy() throws -> PostgresError? {
        var failure: PostgresError?
        while let answer = try nextResult() {
            if answer.status == PGRES_COMMAND_OK { continue }
            failure = failure ?? error(answer)
            if isLost { break }
        }
        return failure
    }

    fileprivate func nextCopyData() throws -> CopyData? {
        while true {
            var start: UnsafeMutablePointer<CChar>?
            let count = PQgetCopyData(raw, &start, 1)
            if count > 0, let start { return CopyData(start, count: Int(count)) }
            if count < 0 { return nil }  // the end or an error: the answers that follow tell
            try waitUnlessEnded()
        }
    }

    /// Stops a COPY whose rows nobody wants.
    fileprivate func endCopyOut() throws {
        cancelRest()
        while try nextCopyData() != nil {}
        _ = try restOfCopy()
    }
}
