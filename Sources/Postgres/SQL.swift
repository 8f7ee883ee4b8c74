/// A statement with its bound values. Interpolation binds: `"… WHERE id = \(id)"` becomes `… WHERE id = $1`.
///
/// Each value travels beside the text in PostgreSQL's binary format and with the type of its Swift type, so no value
/// can change what the statement means. What cannot be encoded, such as a NUL in a text, is thrown when it is run.
public struct SQL: ExpressibleByStringInterpolation, Sendable {
    /// UTF-8, not `String`: it goes to libpq as it is, and is compared byte by byte in the cache of statements.
    var text: [UInt8]
    var parameters = Parameters()
    /// Where in `text` each parameter stands, as `$` and its number.
    private var places: [Int] = []

    /// A statement without values.
    public init(stringLiteral value: StaticString) { text = value.withUTF8Buffer { Array($0) } }

    /// A statement with the values of its interpolations.
    public init(stringInterpolation: Interpolation) { self = stringInterpolation.sql }

    init(text: [UInt8]) { self.text = text }

    /// Gathers text and values.
    public struct Interpolation: StringInterpolationProtocol {
        var sql: SQL

        /// Room for the text, and for what values usually take.
        public init(literalCapacity: Int, interpolationCount: Int) {
            sql = SQL(text: [])
            sql.text.reserveCapacity(literalCapacity + 3 * interpolationCount)
            sql.parameters.reserve(interpolationCount)
        }

        /// Text of the program.
        public mutating func appendLiteral(_ literal: StaticString) {
            literal.withUTF8Buffer { sql.text.append(contentsOf: $0) }
        }

        /// A value, bound.
        public mutating func appendInterpolation<T: PostgresEncodable>(_ value: T) { sql.bind(value) }

        /// A value, bound; nil is NULL.
        public mutating func appendInterpolation<T: PostgresEncodable>(_ value: T?) { sql.bind(value) }

        /// Text of the program that stands in a constant, such as a list of columns. Never a value.
        public mutating func appendInterpolation(raw constant: StaticString) { appendLiteral(constant) }

        /// A part of a statement, with its values.
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

    /// Puts a part behind, with its values; for statements whose parts depend on what is asked.
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
    /// The first that could not be encoded: an interpolation cannot throw.
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
