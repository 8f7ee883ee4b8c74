extension Bool: PostgresEncodable, PostgresDecodable {
    /// boolean
    public static var postgresType: PostgresType { .bool }
    /// boolean
    public static func isPostgresType(_ oid: UInt32) -> Bool { oid == PostgresType.bool.oid }
    /// Encodes one byte.
    public func encode(into buffer: inout ParameterBuffer) { buffer.append(self ? 1 : 0) }
    /// Decodes one byte.
    public init(postgres bytes: UnsafeRawBufferPointer) throws {
        try expect(bytes, count: 1)
        self = bytes[0] != 0
    }
}

extension Int16: PostgresEncodable, PostgresDecodable {
    /// smallint
    public static var postgresType: PostgresType { .int2 }
    /// smallint
    public static func isPostgresType(_ oid: UInt32) -> Bool { oid == PostgresType.int2.oid }
    /// Encodes two bytes.
    public func encode(into buffer: inout ParameterBuffer) { buffer.append(bigEndian: self) }
    /// Decodes two bytes.
    public init(postgres bytes: UnsafeRawBufferPointer) throws {
        try expect(bytes, count: 2)
        self = readBigEndian(bytes, as: Int16.self)
    }
}

extension Int32: PostgresEncodable, PostgresDecodable {
    /// integer
    public static var postgresType: PostgresType { .int4 }
    /// integer and smallint
    public static func isPostgresType(_ oid: UInt32) -> Bool {
        oid == PostgresType.int4.oid || Int16.isPostgresType(oid)
    }
    /// Encodes four bytes.
    public func encode(into buffer: inout ParameterBuffer) { buffer.append(bigEndian: self) }
    /// Decodes four bytes, or two.
    public init(postgres bytes: UnsafeRawBufferPointer) throws {
        if bytes.count == 4 {
            self = readBigEndian(bytes, as: Int32.self)
        } else {
            self = Int32(try Int16(postgres: bytes))
        }
    }
}

extension Int64: PostgresEncodable, PostgresDecodable {
    /// bigint
    public static var postgresType: PostgresType { .int8 }
    /// bigint, integer and smallint
    public static func isPostgresType(_ oid: UInt32) -> Bool {
        oid == PostgresType.int8.oid || Int32.isPostgresType(oid)
    }
    /// Encodes eight bytes.
    public func encode(into buffer: inout ParameterBuffer) { buffer.append(bigEndian: self) }
    /// Decodes eight bytes, four or two.
    public init(postgres bytes: UnsafeRawBufferPointer) throws {
        if bytes.count == 8 {
            self = readBigEndian(bytes, as: Int64.self)
        } else {
            self = Int64(try Int32(postgres: bytes))
        }
    }
}

extension Int: PostgresEncodable, PostgresDecodable {
    /// bigint
    public static var postgresType: PostgresType { .int8 }
    /// bigint, integer and smallint
    public static func isPostgresType(_ oid: UInt32) -> Bool { Int64.isPostgresType(oid) }
    /// Encodes eight bytes.
    public func encode(into buffer: inout ParameterBuffer) { buffer.append(bigEndian: Int64(self)) }
    /// Decodes eight bytes, four or two.
    public init(postgres bytes: UnsafeRawBufferPointer) throws { self = Int(try Int64(postgres: bytes)) }
}

extension Double: PostgresEncodable, PostgresDecodable {
    /// double precision
    public static var postgresType: PostgresType { .float8 }
    /// double precision and real
    public static func isPostgresType(_ oid: UInt32) -> Bool {
        oid == PostgresType.float8.oid || oid == PostgresType.float4.oid
    }
    /// Encodes the eight bytes of IEEE 754, including NaN and infinities.
    public func encode(into buffer: inout ParameterBuffer) { buffer.append(bigEndian: bitPattern) }
    /// Decodes eight bytes, or the four of a real.
    public init(postgres bytes: UnsafeRawBufferPointer) throws {
        if bytes.count == 4 {
            self = Double(Float(bitPattern: readBigEndian(bytes, as: UInt32.self)))
        } else {
            try expect(bytes, count: 8)
            self = Double(bitPattern: readBigEndian(bytes, as: UInt64.self))
        }
    }
}
