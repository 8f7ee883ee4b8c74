extension String: PostgresEncodable, PostgresDecodable {
    /// text
    public static var postgresType: PostgresType { .text }
    /// text, varchar, character(n) and name
    public static func isPostgresType(_ oid: UInt32) -> Bool { Text.isPostgresType(oid) }
    /// The bytes of UTF-8. Throws when there is a NUL among them.
    public func encode(into buffer: inout ParameterBuffer) throws { try buffer.append(text: utf8) }
    /// The bytes of UTF-8. Throws when they are not valid.
    public init(postgres bytes: UnsafeRawBufferPointer) throws {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw PostgresError(.decoding, "text is not valid UTF-8")
        }
        self = text
    }
}

/// Text as its bytes in UTF-8, compared byte by byte as PostgreSQL does; `String ==` joins what PostgreSQL keeps apart.
public struct Text: Hashable, Sendable, PostgresEncodable, PostgresDecodable {
    /// UTF-8.
    public var bytes: [UInt8]
    /// From UTF-8; the server refuses what is not (22021).
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
    /// The bytes. Throws when there is a NUL among them.
    public func encode(into buffer: inout ParameterBuffer) throws { try buffer.append(text: bytes) }
    /// The bytes, unchecked.
    public init(postgres bytes: UnsafeRawBufferPointer) { self.bytes = Array(bytes) }
}

/// A JSON document as its text; sent as jsonb, read from jsonb or json.
public struct JSONB: Hashable, Sendable, PostgresEncodable, PostgresDecodable {
    /// The JSON text in UTF-8.
    public var bytes: [UInt8]
    /// From JSON text in UTF-8; the server refuses what is not JSON (22P02).
    public init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    /// jsonb
    public static var postgresType: PostgresType { .jsonb }
    /// jsonb and json
    public static func isPostgresType(_ oid: UInt32) -> Bool {
        oid == PostgresType.jsonb.oid || oid == PostgresType.json.oid
    }
    /// The format's version, 1, then the text. Throws when there is a NUL in it.
    public func encode(into buffer: inout ParameterBuffer) throws {
        buffer.append(1)
        try buffer.append(text: bytes)
    }
    /// jsonb begins with its version, 1, which no JSON text does.
    public init(postgres bytes: UnsafeRawBufferPointer) {
        self.bytes = Array(bytes.first == 1 ? UnsafeRawBufferPointer(rebasing: bytes[1...]) : bytes)
    }
}

/// An instant as PostgreSQL keeps it, counted in microseconds since 1970 in UTC.
public struct Timestamp: Hashable, Comparable, Sendable, PostgresEncodable, PostgresDecodable {
    /// Microseconds since 1970-01-01 00:00 UTC.
    public var microsecondsSince1970: Int64
    /// From microseconds since 1970-01-01 00:00 UTC.
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
    /// Eight bytes. Throws where PostgreSQL's count would overflow.
    public func encode(into buffer: inout ParameterBuffer) throws {
        let (count, overflow) = microsecondsSince1970.subtractingReportingOverflow(Self.microsecondsFrom1970To2000)
        if overflow { throw PostgresError(.encoding, "a timestamp lies outside PostgreSQL's range") }
        buffer.append(bigEndian: count)
    }
    /// Eight bytes. Throws for `infinity` and `-infinity`.
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
    /// The type of what it wraps.
    public static var postgresType: PostgresType { Wrapped.postgresType }
    /// The array type of what it wraps.
    public static var postgresArrayType: PostgresType { Wrapped.postgresArrayType }
    /// nil is NULL.
    public var isPostgresNull: Bool { self?.isPostgresNull ?? true }
    /// The wrapped value.
    public func encode(into buffer: inout ParameterBuffer) throws { try self?.encode(into: &buffer) }
}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
    /// What it wraps decides.
    public static func isPostgresType(_ oid: UInt32) -> Bool { Wrapped.isPostgresType(oid) }
    /// The wrapped value.
    public init(postgres bytes: UnsafeRawBufferPointer) throws { self = try Wrapped(postgres: bytes) }
    /// NULL is nil.
    public static func decodeNull() -> Self { .none }
}
