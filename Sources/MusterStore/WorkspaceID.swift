public import Postgres

/// The number of a workspace, the first column of every key of every table. It comes only from the secret of a key.
public struct WorkspaceID: RawRepresentable, Hashable, Sendable, PostgresEncodable, PostgresDecodable {
    public let rawValue: Int32

    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    public static var postgresType: PostgresType { .int4 }
    public static func isPostgresType(_ oid: UInt32) -> Bool { Int32.isPostgresType(oid) }
    public func encode(into buffer: inout ParameterBuffer) throws { rawValue.encode(into: &buffer) }
    public init(postgres bytes: UnsafeRawBufferPointer) throws { self.init(rawValue: try Int32(postgres: bytes)) }
}
