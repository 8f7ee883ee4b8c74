// The binary format of an array: the number of dimensions, whether there are NULLs, the element type; per dimension its
// size and lower bound; per element its length (-1 for NULL) and bytes.

extension PostgresEncodable {
    /// Encodes element by element.
    public static func encodeArray(_ elements: [Self], into buffer: inout ParameterBuffer) throws {
        guard postgresType.arrayOID != 0 else {
            throw PostgresError(.encoding, "PostgreSQL has no array of \(Self.self)")
        }
        let hasNull = elements.contains { $0.isPostgresNull }
        buffer.appendArrayHeader(count: elements.count, hasNull: hasNull, element: postgresType)
        for element in elements { try buffer.appendElement(element) }
    }
}

extension PostgresDecodable {
    /// Decodes element by element.
    public static func decodeArray(_ bytes: UnsafeRawBufferPointer) throws -> [Self] {
        var reader = ArrayReader(bytes)
        let (count, oid) = try reader.header()
        guard count == 0 || isPostgresType(oid) else {
            throw PostgresError(.decoding, "an array of type \(oid) where [\(Self.self)] was asked for")
        }
        var elements: [Self] = []
        elements.reserveCapacity(count)
        for _ in 0..<count {
            elements.append(try reader.next().map { try Self(postgres: $0) } ?? decodeNull())
        }
        return elements
    }
}

extension Array: PostgresEncodable where Element: PostgresEncodable {
    /// The array type of its elements; bytea for `[UInt8]`.
    public static var postgresType: PostgresType { Element.postgresArrayType }
    /// Encodes all elements, in one dimension.
    public func encode(into buffer: inout ParameterBuffer) throws { try Element.encodeArray(self, into: &buffer) }
}

extension Array: PostgresDecodable where Element: PostgresDecodable {
    /// Delegates to the element type.
    public static func isPostgresType(_ oid: UInt32) -> Bool { Element.isPostgresArrayType(oid) }
    /// Decodes an array of at most one dimension.
    public init(postgres bytes: UnsafeRawBufferPointer) throws { self = try Element.decodeArray(bytes) }
}

/// Makes `[UInt8]` a bytea. PostgreSQL has no type of one byte, so a single one is sent as smallint.
extension UInt8: PostgresEncodable, PostgresDecodable {
    /// smallint
    public static var postgresType: PostgresType { .int2 }
    /// bytea
    public static var postgresArrayType: PostgresType { .bytea }
    /// Encodes a smallint.
    public func encode(into buffer: inout ParameterBuffer) { buffer.append(bigEndian: Int16(self)) }
    /// Appends the bytes unchanged.
    public static func encodeArray(_ elements: [UInt8], into buffer: inout ParameterBuffer) {
        buffer.append(contentsOf: elements)
    }
    /// smallint
    public static func isPostgresType(_ oid: UInt32) -> Bool { Int16.isPostgresType(oid) }
    /// bytea
    public static func isPostgresArrayType(_ oid: UInt32) -> Bool { oid == PostgresType.bytea.oid }
    /// Decodes a smallint from 0 to 255.
    public init(postgres bytes: UnsafeRawBufferPointer) throws {
        guard let byte = UInt8(exactly: try Int16(postgres: bytes)) else {
            throw PostgresError(.decoding, "the smallint does not fit into a byte")
        }
        self = byte
    }
    /// Copies the bytes unchanged.
    public static func decodeArray(_ bytes: UnsafeRawBufferPointer) -> [UInt8] { Array(bytes) }
}

extension Int32 {
    /// Encodes all elements at once: 50,000 numbers take microseconds instead of a millisecond.
    public static func encodeArray(_ elements: [Int32], into buffer: inout ParameterBuffer) {
        buffer.appendArrayHeader(count: elements.count, hasNull: false, element: .int4)
        buffer.appendFixedWidth(elements)
    }
}

extension Int64 {
    /// Encodes all elements at once.
    public static func encodeArray(_ elements: [Int64], into buffer: inout ParameterBuffer) {
        buffer.appendArrayHeader(count: elements.count, hasNull: false, element: .int8)
        buffer.appendFixedWidth(elements)
    }
}

/// Texts in one buffer with the end of each, so that 50,000 identifiers take two allocations.
public struct TextArray: Hashable, Sendable, PostgresEncodable, PostgresDecodable {
    /// The UTF-8 of all texts, concatenated.
    public var bytes: [UInt8]
    /// The end of each text in `bytes`; it begins at the end of the one before.
    public var ends: [Int32]

    /// Makes an empty array with reserved capacity.
    public init(minimumCapacity: Int = 0, bytes: Int = 0) {
        self.init(bytes: [], ends: [])
        ends.reserveCapacity(minimumCapacity)
        self.bytes.reserveCapacity(bytes)
    }

    /// Makes an array of concatenated texts. Encoding checks that `ends` matches `bytes`.
    public init(bytes: [UInt8], ends: [Int32]) {
        self.bytes = bytes
        self.ends = ends
    }

    /// Appends a text. Throws when the total exceeds 2 GiB.
    public mutating func append(_ text: some Sequence<UInt8>) throws {
        bytes.append(contentsOf: text)
        guard let end = Int32(exactly: bytes.count) else { throw PostgresError(.encoding, "texts beyond 2 GiB") }
        ends.append(end)
    }

    /// text[]
    public static var postgresType: PostgresType { PostgresType(oid: PostgresType.text.arrayOID, arrayOID: 0) }
    /// Accepts any array; decoding checks the element type.
    public static func isPostgresType(_ oid: UInt32) -> Bool { true }

    /// Encodes length and bytes of each text. Throws for a NUL, or when `ends` does not match `bytes`.
    public func encode(into buffer: inout ParameterBuffer) throws {
        buffer.appendArrayHeader(count: ends.count, hasNull: false, element: .text)
        buffer.bytes.reserveCapacity(buffer.bytes.count + bytes.count + 4 * ends.count)
        try bytes.withUnsafeBytes { all in
            guard !all.contains(0) else {
                throw PostgresError(.encoding, "text has a NUL (U+0000), which PostgreSQL cannot store")
            }
            var start = 0
            for end in ends.lazy.map(Int.init) {
                guard start <= end, end <= all.count else {
                    throw PostgresError(.encoding, "the ends of a TextArray do not match its bytes")
                }
                buffer.append(bigEndian: Int32(end - start))
                buffer.bytes.append(contentsOf: all[start..<end])
                start = end
            }
        }
    }

    /// Decodes an array of text without NULLs.
    public init(postgres bytes: UnsafeRawBufferPointer) throws {
        var reader = ArrayReader(bytes)
        let (count, oid) = try reader.header()
        guard count == 0 || Text.isPostgresType(oid) else {
            throw PostgresError(.decoding, "an array of type \(oid) where texts were asked for")
        }
        self.init(minimumCapacity: count, bytes: bytes.count)
        for _ in 0..<count {
            guard let text = try reader.next() else { throw PostgresError(.decoding, "NULL in a TextArray") }
            try append(text)
        }
    }
}

extension ParameterBuffer {
    /// An empty array has no dimensions.
    mutating func appendArrayHeader(count: Int, hasNull: Bool, element: PostgresType) {
        append(bigEndian: Int32(count == 0 ? 0 : 1))
        append(bigEndian: Int32(hasNull ? 1 : 0))
        append(bigEndian: element.oid)
        guard count > 0 else { return }
        append(bigEndian: Int32(clamping: count))
        append(bigEndian: Int32(1))
    }

    mutating func appendFixedWidth<I: FixedWidthInteger>(_ elements: [I]) {
        let width = MemoryLayout<I>.size
        let run = [UInt8](unsafeUninitializedCapacity: elements.count * (width + 4)) { room, count in
            let raw = UnsafeMutableRawBufferPointer(room)
            for element in elements {
                raw.storeBytes(of: Int32(width).bigEndian, toByteOffset: count, as: Int32.self)
                raw.storeBytes(of: element.bigEndian, toByteOffset: count + 4, as: I.self)
                count += width + 4
            }
        }
        bytes.append(contentsOf: run)
    }
}

/// Iterates over the binary format of an array; each step checks that its bytes exist.
struct ArrayReader {
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    mutating func header() throws -> (count: Int, oid: UInt32) {
        let dimensions = try integer()
        _ = try integer()
        let oid = UInt32(bitPattern: try integer())
        guard dimensions != 0 else { return (0, oid) }
        guard dimensions == 1 else { throw PostgresError(.decoding, "an array of \(dimensions) dimensions") }
        let count = Int(try integer())
        _ = try integer()
        guard count >= 0, count <= (bytes.count - offset) / 4 else { throw Self.truncated }
        return (count, oid)
    }

    mutating func next() throws -> UnsafeRawBufferPointer? {
        let length = Int(try integer())
        if length == -1 { return nil }
        guard length >= 0, length <= bytes.count - offset else { throw Self.truncated }
        defer { offset += length }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length])
    }

    private mutating func integer() throws -> Int32 {
        guard bytes.count - offset >= 4 else { throw Self.truncated }
        defer { offset += 4 }
        return readBigEndian(bytes, at: offset, as: Int32.self)
    }

    private static var truncated: PostgresError { PostgresError(.decoding, "the array is truncated") }
}
