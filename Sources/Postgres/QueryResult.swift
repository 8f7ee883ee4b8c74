import CLibpq

/// A result of libpq. The pointer stays private: C is only called while this value is borrowed, so it outlives each
/// call.
struct QueryResult: ~Copyable {
    private let raw: OpaquePointer

    init(_ raw: OpaquePointer) { self.raw = raw }

    deinit { PQclear(raw) }

    var status: ExecStatusType { PQresultStatus(raw) }

    var rowCount: Int { Int(PQntuples(raw)) }

    /// Such as `COMMIT`, or `ROLLBACK` when a COMMIT did not commit.
    var commandTag: String { PQcmdStatus(raw).map { String(cString: $0) } ?? "" }

    borrowing func withRow<R>(_ index: Int, _ body: (borrowing Row) throws -> R) rethrows -> R {
        try body(Row(raw, Int32(truncatingIfNeeded: index)))
    }

    func error(_ kind: PostgresError.Kind) -> PostgresError { PostgresError(kind, result: raw) }
}

extension PostgresError {
    init(_ kind: Kind, result: OpaquePointer) {
        func field(_ code: Character) -> String? {
            guard let ascii = code.asciiValue else { return nil }
            return PQresultErrorField(result, Int32(ascii)).map { String(cString: $0) }
        }
        let whole = { PQresultErrorMessage(result).map { String(cString: $0) } ?? "" }
        self.init(kind, field("M") ?? whole())
        sqlState = field("C").map(SQLState.init(rawValue:))
        severity = field("V")
        (detail, hint, context, position) = (field("D"), field("H"), field("W"), field("P"))
        (schema, table, column, dataType, constraint) = (field("s"), field("t"), field("c"), field("d"), field("n"))
        (internalPosition, internalQuery) = (field("p"), field("q"))
        (sourceFile, sourceLine, sourceFunction) = (field("F"), field("L"), field("R"))
    }
}

/// One row of a result, lent to a closure.
public struct Row: ~Copyable {
    private let result: OpaquePointer
    private let index: Int32

    init(_ result: OpaquePointer, _ index: Int32) {
        self.result = result
        self.index = index
    }

    /// The number of columns.
    public var count: Int { Int(PQnfields(result)) }

    /// The value of a column, counted from 0. Throws when the column has another type, a NULL that `T` can't represent,
    /// or a value out of range.
    public borrowing func value<T: PostgresDecodable>(_ column: Int, as type: T.Type = T.self) throws -> T {
        guard column >= 0, column < count else {
            throw PostgresError(.decoding, "column \(column) where a row has \(count)")
        }
        let index = Int32(truncatingIfNeeded: column)
        let oid = UInt32(PQftype(result, index))
        guard T.isPostgresType(oid) else {
            throw PostgresError(.decoding, "column \(column) is of type \(oid), which is not read as \(T.self)")
        }
        return try withBytes(column) { try $0.map { try T(postgres: $0) } ?? T.decodeNull() }
    }

    /// The bytes of a column in PostgreSQL's binary format, in libpq's memory; nil for NULL or a column that does not
    /// exist.
    public borrowing func withBytes<R>(_ column: Int, _ body: (UnsafeRawBufferPointer?) throws -> R) rethrows -> R {
        guard column >= 0, column < count, case let index = Int32(truncatingIfNeeded: column),
            PQgetisnull(result, self.index, index) == 0, let bytes = PQgetvalue(result, self.index, index)
        else { return try body(nil) }
        let length = Int(PQgetlength(result, self.index, index))
        return try body(UnsafeRawBufferPointer(start: bytes, count: length))
    }
}
