public import Postgres

/// The number of a workspace, which leads every key of every table. It comes out of a key's secret and from nowhere
/// else.
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
