public import MusterProtocol
public import MusterUsers
public import Postgres

/// Identifiers are text in PostgreSQL (`COLLATE "C"`, so compared by bytes) and never become Strings on the way.
extension Identifier: PostgresEncodable, PostgresDecodable {
    public static var postgresType: PostgresType { .text }
    public static func isPostgresType(_ oid: UInt32) -> Bool { Text.isPostgresType(oid) }
    public func encode(into buffer: inout ParameterBuffer) throws { try buffer.append(text: bytes) }
    public init(postgres bytes: UnsafeRawBufferPointer) throws { self.init(bytes: bytes) }
}

extension Instant: PostgresEncodable, PostgresDecodable {
    public static var postgresType: PostgresType { .timestamptz }
    public static func isPostgresType(_ oid: UInt32) -> Bool { Timestamp.isPostgresType(oid) }
    public func encode(into buffer: inout ParameterBuffer) throws {
        try Timestamp(microsecondsSince1970: microseconds).encode(into: &buffer)
    }
    public init(postgres bytes: UnsafeRawBufferPointer) throws {
        self.init(microseconds: try Timestamp(postgres: bytes).microsecondsSince1970)
    }
}

extension IdentifierList {
    /// The identifiers as one `text[]`, without an allocation for each.
    var textArray: TextArray { TextArray(bytes: bytes, ends: ends) }
}

/// User numbers are unsigned in sets, and an `int4` of 0 or more in PostgreSQL.
extension UserNumber: PostgresEncodable, PostgresDecodable {
    public static var postgresType: PostgresType { .int4 }
    public static func isPostgresType(_ oid: UInt32) -> Bool { Int32.isPostgresType(oid) }
    public func encode(into buffer: inout ParameterBuffer) throws { try int4.encode(into: &buffer) }
    public static func encodeArray(_ users: [UserNumber], into buffer: inout ParameterBuffer) throws {
        try Int32.encodeArray(users.map { try $0.int4 }, into: &buffer)
    }

    public init(postgres bytes: UnsafeRawBufferPointer) throws {
        guard let number = UInt32(exactly: try Int32(postgres: bytes)) else {
            throw PostgresError(.decoding, "a user number is negative")
        }
        self.init(rawValue: number)
    }

    private var int4: Int32 {
        get throws {
            guard let number = Int32(exactly: rawValue) else {
                throw PostgresError(.encoding, "a user number is over 2^31 - 1")
            }
            return number
        }
    }
}
