/// A PostgreSQL type by its number, with the number of the arrays of it.
public struct PostgresType: Hashable, Sendable {
    /// `pg_type.oid`
    public let oid: UInt32
    /// The type of one-dimensional arrays of this one; 0 where there is none.
    public let arrayOID: UInt32

    /// A type of `pg_type`.
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
    /// name: what the catalogs call things by
    public static let name = PostgresType(oid: 19, arrayOID: 1003)
    /// uuid
    public static let uuid = PostgresType(oid: 2950, arrayOID: 2951)
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
    /// The type it is sent as; the server converts by its own rules from there.
    static var postgresType: PostgresType { get }
    /// The type that an array of these is sent as.
    static var postgresArrayType: PostgresType { get }
    /// Whether it is sent as NULL, in which case `encode` is not called.
    var isPostgresNull: Bool { get }
    /// Appends the bytes of the binary format, without their length.
    func encode(into buffer: inout ParameterBuffer) throws
    /// Appends an array of these, without its length. There to be replaced where elements can go faster together.
    static func encodeArray(_ elements: [Self], into buffer: inout ParameterBuffer) throws
}

/// A value that can be read from a column, in PostgreSQL's binary format.
public protocol PostgresDecodable {
    /// Whether columns of the type with this number hold such values.
    static func isPostgresType(_ oid: UInt32) -> Bool
    /// Reads the value. The bytes are gone afterwards; they come from the server, so a wrong length is an error.
    init(postgres bytes: UnsafeRawBufferPointer) throws
    /// What NULL reads as: an error except for optionals.
    static func decodeNull() throws -> Self
    /// Reads an array of these. There to be replaced where elements can go faster together.
    static func decodeArray(_ bytes: UnsafeRawBufferPointer) throws -> [Self]
    /// Whether columns of the type with this number hold arrays of such values.
    static func isPostgresArrayType(_ oid: UInt32) -> Bool
}

extension PostgresEncodable {
    /// One-dimensional arrays of the element's type.
    public static var postgresArrayType: PostgresType { PostgresType(oid: postgresType.arrayOID, arrayOID: 0) }
    /// False.
    public var isPostgresNull: Bool { false }
}

extension PostgresDecodable {
    /// Throws: a column that may be NULL is read as an optional.
    public static func decodeNull() throws -> Self {
        throw PostgresError(.decoding, "NULL where \(Self.self) was asked for")
    }
    /// True: the element type stands in the array itself and is checked there.
    public static func isPostgresArrayType(_ oid: UInt32) -> Bool { true }
}

/// Where bound values are laid down, one after the other.
public struct ParameterBuffer: Sendable {
    var bytes: [UInt8] = []

    /// Appends one byte.
    public mutating func append(_ byte: UInt8) { bytes.append(byte) }

    /// Appends bytes as they are.
    public mutating func append(contentsOf more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }

    /// Appends an integer in network byte order, as PostgreSQL's binary formats have it.
    public mutating func append<I: FixedWidthInteger>(bigEndian integer: I) {
        withUnsafeBytes(of: integer.bigEndian) { bytes.append(contentsOf: $0) }
    }

    /// Appends text as UTF-8. Throws when it has a NUL, which PostgreSQL cannot store.
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

/// Reads an integer of the binary formats; callers have checked that the bytes are there.
func readBigEndian<I: FixedWidthInteger>(_ bytes: UnsafeRawBufferPointer, at offset: Int = 0, as type: I.Type) -> I {
    I(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: I.self))
}

func expect(_ bytes: UnsafeRawBufferPointer, count: Int) throws {
    guard bytes.count == count else {
        throw PostgresError(.decoding, "a value has \(bytes.count) bytes where \(count) belong")
    }
}
