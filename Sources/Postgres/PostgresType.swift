/// A PostgreSQL type and its array type, by number.
public struct PostgresType: Hashable, Sendable {
    /// `pg_type.oid`
    public let oid: UInt32
    /// The type of one-dimensional arrays of this type; 0 when there is none.
    public let arrayOID: UInt32

    /// Makes a type of `pg_type`.
    public init(oid: UInt32, arrayOID: UInt32) {
        self.oid = oid
        self.arrayOID = arrayOID
    }

    /// boolean
    public static let bool = PostgresType(oid: 16, arrayOID: 1000)
    /// bytea
    public static let bytea = PostgresType(oid: 17, arrayOID: 1001)
    /// smallint
    public static let int2 = PostgresType(oid: 21, arrayOID: 1005)
    /// integer
    public static let int4 = PostgresType(oid: 23, arrayOID: 1007)
    /// bigint
    public static let int8 = PostgresType(oid: 20, arrayOID: 1016)
    /// real
    public static let float4 = PostgresType(oid: 700, arrayOID: 1021)
    /// double precision
    public static let float8 = PostgresType(oid: 701, arrayOID: 1022)
    /// text
    public static let text = PostgresType(oid: 25, arrayOID: 1009)
    /// varchar
    public static let varchar = PostgresType(oid: 1043, arrayOID: 1015)
    /// character(n)
    public static let bpchar = PostgresType(oid: 1042, arrayOID: 1014)
    /// name: the type of names in the catalogs
    public static let name = PostgresType(oid: 19, arrayOID: 1003)
    /// timestamp with time zone
    public static let timestamptz = PostgresType(oid: 1184, arrayOID: 1185)
    /// json
    public static let json = PostgresType(oid: 114, arrayOID: 199)
    /// jsonb
    public static let jsonb = PostgresType(oid: 3802, arrayOID: 3807)
    /// oid
    public static let oid = PostgresType(oid: 26, arrayOID: 1028)
}

/// A value that can be bound to a statement, in PostgreSQL's binary format.
public protocol PostgresEncodable: Sendable {
    /// The type with which it is sent; the server converts it by its own rules.
    static var postgresType: PostgresType { get }
    /// The type with which an array of these is sent.
    static var postgresArrayType: PostgresType { get }
    /// Whether it is sent as NULL; `encode` is not called then.
    var isPostgresNull: Bool { get }
    /// Appends the binary format, without its length.
    func encode(into buffer: inout ParameterBuffer) throws
    /// Appends an array of these, without its length. Types override it when they can encode all elements at once.
    static func encodeArray(_ elements: [Self], into buffer: inout ParameterBuffer) throws
}

/// A value that can be read from a column, in PostgreSQL's binary format.
public protocol PostgresDecodable {
    /// Whether columns of this type number hold such values.
    static func isPostgresType(_ oid: UInt32) -> Bool
    /// Decodes a value. The bytes are only valid during the call; a wrong length is an error.
    init(postgres bytes: UnsafeRawBufferPointer) throws
    /// The value of NULL: an error, except for optionals.
    static func decodeNull() throws -> Self
    /// Decodes an array of these. Types override it when they can decode all elements at once.
    static func decodeArray(_ bytes: UnsafeRawBufferPointer) throws -> [Self]
    /// Whether columns of this type number hold arrays of such values.
    static func isPostgresArrayType(_ oid: UInt32) -> Bool
}

extension PostgresEncodable {
    /// One-dimensional arrays of the element's type.
    public static var postgresArrayType: PostgresType { PostgresType(oid: postgresType.arrayOID, arrayOID: 0) }
    /// False.
    public var isPostgresNull: Bool { false }
}

extension PostgresDecodable {
    /// Throws: read a column that can be NULL as an optional.
    public static func decodeNull() throws -> Self {
        throw PostgresError(.decoding, "NULL where \(Self.self) was asked for")
    }
    /// True: the array contains its element type, which decoding checks.
    public static func isPostgresArrayType(_ oid: UInt32) -> Bool { true }
}

/// The buffer of bound values.
public struct ParameterBuffer: Sendable {
    var bytes: [UInt8] = []

    /// Appends one byte.
    public mutating func append(_ byte: UInt8) { bytes.append(byte) }

    /// Appends bytes unchanged.
    public mutating func append(contentsOf more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }

    /// Appends an integer in network byte order, as in PostgreSQL's binary formats.
    public mutating func append<I: FixedWidthInteger>(bigEndian integer: I) {
        withUnsafeBytes(of: integer.bigEndian) { bytes.append(contentsOf: $0) }
    }

    /// Appends text as UTF-8. Throws for a NUL, which PostgreSQL can't store.
    public mutating func append(text: some Sequence<UInt8>) throws {
        let start = bytes.count
        bytes.append(contentsOf: text)
        try refuseNUL(from: start)
    }

    func refuseNUL(from start: Int) throws {
        let found = bytes.withUnsafeBytes { $0[start...].contains(0) }
        if found { throw PostgresError(.encoding, "text has a NUL (U+0000), which PostgreSQL cannot store") }
    }

    /// Appends an element of an array or row: its length, then what `body` appends.
    mutating func appendWithLength(_ body: (inout ParameterBuffer) throws -> Void) throws {
        let start = bytes.count
        append(bigEndian: Int32(0))
        try body(&self)
        guard let length = Int32(exactly: bytes.count - start - 4) else {
            throw PostgresError(.encoding, "a value has more than 2 GiB")
        }
        for shift in 0..<4 { bytes[start + shift] = UInt8(truncatingIfNeeded: length >> (24 - 8 * Int32(shift))) }
    }

    mutating func appendElement<T: PostgresEncodable>(_ value: T) throws {
        if value.isPostgresNull { return append(bigEndian: Int32(-1)) }
        try appendWithLength { try value.encode(into: &$0) }
    }
}

/// Reads an integer of the binary formats; the caller has checked the length.
func readBigEndian<I: FixedWidthInteger>(_ bytes: UnsafeRawBufferPointer, at offset: Int = 0, as type: I.Type) -> I {
    I(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: I.self))
}

func expect(_ bytes: UnsafeRawBufferPointer, count: Int) throws {
    guard bytes.count == count else {
        throw PostgresError(.decoding, "a value has \(bytes.count) bytes where \(count) belong")
    }
}
