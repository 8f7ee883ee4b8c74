/// A statement with its bound values. Interpolation binds: `"… WHERE id = \(id)"` becomes `… WHERE id = $1`.
///
/// Values are sent beside the text in PostgreSQL's binary format, with the type of their Swift type, so a value can't
/// change the meaning of the statement. A value that can't be encoded, such as text with a NUL, throws when the
/// statement runs.
public struct SQL: ExpressibleByStringInterpolation, Sendable {
    /// UTF-8 instead of `String`: libpq takes it unchanged, and the statement cache compares bytes.
    var text: [UInt8]
    var parameters = Parameters()
    /// The position of each parameter in `text`, as `$` and its number.
    private var places: [Int] = []

    /// Makes a statement without values.
    public init(stringLiteral value: StaticString) { text = value.withUTF8Buffer { Array($0) } }

    /// Makes a statement with the values of its interpolations.
    public init(stringInterpolation: Interpolation) { self = stringInterpolation.sql }

    init(text: [UInt8]) { self.text = text }

    /// Collects text and values.
    public struct Interpolation: StringInterpolationProtocol {
        var sql: SQL

        /// Reserves capacity for the text and for values of typical size.
        public init(literalCapacity: Int, interpolationCount: Int) {
            sql = SQL(text: [])
            sql.text.reserveCapacity(literalCapacity + 3 * interpolationCount)
            sql.parameters.reserve(interpolationCount)
        }

        /// Appends a literal part of the text.
        public mutating func appendLiteral(_ literal: StaticString) {
            literal.withUTF8Buffer { sql.text.append(contentsOf: $0) }
        }

        /// Binds a value.
        public mutating func appendInterpolation<T: PostgresEncodable>(_ value: T) { sql.bind(value) }

        /// Binds a value; nil is NULL.
        public mutating func appendInterpolation<T: PostgresEncodable>(_ value: T?) { sql.bind(value) }

        /// Appends constant text of the program, such as a list of columns. Never a value.
        public mutating func appendInterpolation(raw constant: StaticString) { appendLiteral(constant) }

        /// Appends a part of a statement with its values.
        public mutating func appendInterpolation(_ part: SQL) { sql += part }
    }

    mutating func bind<T: PostgresEncodable>(_ value: T) {
        parameters.append(value)
        appendPlace()
    }

    private mutating func appendPlace() {
        places.append(text.count)
        text.append(UInt8(ascii: "$"))
        text.append(contentsOf: String(places.count).utf8)
    }

    /// Appends a part with its values, for statements whose parts depend on the request.
    public static func += (whole: inout SQL, part: SQL) {
        var from = 0
        for (number, place) in part.places.enumerated() {
            whole.text.append(contentsOf: part.text[from..<place])
            whole.appendPlace()
            from = place + 1 + String(number + 1).utf8.count
        }
        whole.text.append(contentsOf: part.text[from...])
        whole.parameters.append(contentsOf: part.parameters)
    }
}

/// The bound values of a statement, in one buffer.
struct Parameters: Sendable {
    var types: [UInt32] = []
    /// -1 for NULL.
    var lengths: [Int32] = []
    var buffer = ParameterBuffer()
    /// The first encoding error: an interpolation can't throw.
    var failure: PostgresError?

    mutating func reserve(_ count: Int) {
        guard count > 0 else { return }
        types.reserveCapacity(count)
        lengths.reserveCapacity(count)
        buffer.bytes.reserveCapacity(32 * count)
    }

    mutating func append(contentsOf more: Parameters) {
        types.append(contentsOf: more.types)
        lengths.append(contentsOf: more.lengths)
        buffer.bytes.append(contentsOf: more.buffer.bytes)
        failure = failure ?? more.failure
    }

    mutating func append<T: PostgresEncodable>(_ value: T) {
        types.append(T.postgresType.oid)
        lengths.append(-1)
        guard !value.isPostgresNull else { return }
        let start = buffer.bytes.count
        do {
            try value.encode(into: &buffer)
            guard let length = Int32(exactly: buffer.bytes.count - start) else {
                throw PostgresError(.encoding, "a value has more than 2 GiB")
            }
            lengths[lengths.count - 1] = length
        } catch let error as PostgresError {
            failure = failure ?? error
        } catch {
            failure = failure ?? PostgresError(.encoding, "a value of type \(T.self) could not be encoded")
        }
    }
}
