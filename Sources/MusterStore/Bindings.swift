public import MusterProtocol
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
    /// As one `text[]`, without an allocation an identifier.
    var textArray: TextArray { TextArray(bytes: bytes, ends: ends) }
}
