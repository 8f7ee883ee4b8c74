extension String: PostgresEncodable, PostgresDecodable {
    /// text
    public static var postgresType: PostgresType { .text }
    /// text, varchar, character(n) and name
    public static func isPostgresType(_ oid: UInt32) -> Bool { Text.isPostgresType(oid) }
    /// Encodes UTF-8. Throws for a NUL.
    public func encode(into buffer: inout ParameterBuffer) throws { try buffer.append(text: utf8) }
    /// Decodes UTF-8. Throws when it is invalid.
    public init(postgres bytes: UnsafeRawBufferPointer) throws {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw PostgresError(.decoding, "text is not valid UTF-8")
        }
        self = text
    }
}

/// Text as bytes of UTF-8, compared byte by byte as PostgreSQL does; `String ==` equates composed and decomposed
/// characters.
public struct Text: Hashable, Sendable, PostgresEncodable, PostgresDecodable {
    /// UTF-8.
    public var bytes: [UInt8]
    /// From UTF-8; the server refuses invalid UTF-8 (22021).
    public init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    /// text
    public static var postgresType: PostgresType { .text }
    /// text, varchar, character(n) and name
    public static func isPostgresType(_ oid: UInt32) -> Bool {
        switch oid {
        case PostgresType.text.oid, PostgresType.varchar.oid, PostgresType.bpchar.oid, PostgresType.name.oid: true
        default: false
        }
    }
    /// Encodes the bytes. Throws for a NUL.
    public func encode(into buffer: inout ParameterBuffer) throws { try buffer.append(text: bytes) }
    /// Copies the bytes, unchecked.
    public init(postgres bytes: UnsafeRawBufferPointer) { self.bytes = Array(bytes) }
}

/// The text of a JSON document; sent as jsonb, read from jsonb or json.
public struct JSONB: Hashable, Sendable, PostgresEncodable, PostgresDecodable {
    /// The JSON text in UTF-8.
    public var bytes: [UInt8]
    /// From JSON in UTF-8; the server refuses invalid JSON (22P02).
    public init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    /// jsonb
    public static var postgresType: PostgresType { .jsonb }
    /// jsonb and json
    public static func isPostgresType(_ oid: UInt32) -> Bool {
        oid == PostgresType.jsonb.oid || oid == PostgresType.json.oid
    }
    /// Encodes the format's version, 1, then the text. Throws for a NUL.
    public func encode(into buffer: inout ParameterBuffer) throws {
        buffer.append(1)
        try buffer.append(text: bytes)
    }
    /// jsonb begins with its version, 1, with which no JSON text begins.
    public init(postgres bytes: UnsafeRawBufferPointer) {
        self.bytes = Array(bytes.first == 1 ? UnsafeRawBufferPointer(rebasing: bytes[1...]) : bytes)
    }
}

/// A time in PostgreSQL's resolution: microseconds since 1970 in UTC.
public struct Timestamp: Hashable, Comparable, Sendable, PostgresEncodable, PostgresDecodable {
    /// Microseconds since 1970-01-01 00:00 UTC.
    public var microsecondsSince1970: Int64
    /// Makes a time from microseconds since 1970-01-01 00:00 UTC.
    public init(microsecondsSince1970: Int64) { self.microsecondsSince1970 = microsecondsSince1970 }

    /// PostgreSQL counts from 2000.
    private static let microsecondsFrom1970To2000: Int64 = 946_684_800_000_000

    /// Earlier is less.
    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.microsecondsSince1970 < right.microsecondsSince1970
    }
    /// timestamp with time zone
    public static var postgresType: PostgresType { .timestamptz }
    /// timestamp with time zone
    public static func isPostgresType(_ oid: UInt32) -> Bool { oid == PostgresType.timestamptz.oid }
    /// Encodes eight bytes. Throws when PostgreSQL's count would overflow.
    public func encode(into buffer: inout ParameterBuffer) throws {
        let (count, overflow) = microsecondsSince1970.subtractingReportingOverflow(Self.microsecondsFrom1970To2000)
        if overflow { throw PostgresError(.encoding, "a timestamp lies outside PostgreSQL's range") }
        buffer.append(bigEndian: count)
    }
    /// Decodes eight bytes. Throws for `infinity` and `-infinity`.
    public init(postgres bytes: UnsafeRawBufferPointer) throws {
        let count = try {
            try expect(bytes, count: 8)
            return readBigEndian(bytes, as: Int64.self)
        }()
        let (sum, overflow) = count.addingReportingOverflow(Self.microsecondsFrom1970To2000)
        if overflow || count == .min { throw PostgresError(.decoding, "a timestamp is infinite") }
        microsecondsSince1970 = sum
    }
}

extension Optional: PostgresEncodable where Wrapped: PostgresEncodable {
    /// The type of the wrapped value.
    public static var postgresType: PostgresType { Wrapped.postgresType }
    /// The array type of the wrapped value.
    public static var postgresArrayType: PostgresType { Wrapped.postgresArrayType }
    /// nil is NULL.
    public var isPostgresNull: Bool { self?.isPostgresNull ?? true }
    /// Encodes the wrapped value.
    public func encode(into buffer: inout ParameterBuffer) throws { try self?.encode(into: &buffer) }
}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
    /// Delegates to the wrapped type.
    public static func isPostgresType(_ oid: UInt32) -> Bool { Wrapped.isPostgresType(oid) }
    /// Decodes the wrapped value.
    public init(postgres bytes: UnsafeRawBufferPointer) throws { self = try Wrapped(postgres: bytes) }
    /// NULL is nil.
    public static func decodeNull() -> Self { .none }
}
