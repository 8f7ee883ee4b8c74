/// Decodes calls and replies from what a `JSONReader` has read. Errors are `JSONError`s that name path and kind.
public enum JSONDecoding {
    /// Decodes a value; paths in errors begin at `value`.
    public static func decode<T: Decodable>(_ type: T.Type = T.self, from value: JSONValue) throws -> T {
        try decode(type, at: value.rooted)
    }

    /// Decodes a request body. Refuses fields that its type does not have, at every level, except where keys are data,
    /// as in `Attributes`.
    public static func decode<T: Decodable>(request type: T.Type, from value: JSONValue) throws -> T {
        try decode(type, at: value.strict)
    }

    /// Decodes the body of a call, which refuses unknown fields like every request body.
    @inlinable
    public static func decode<C: Call>(call type: C.Type, from body: JSONValue) throws -> C {
        try C.plain(body) ?? decode(request: type, from: body)
    }

    private static func decode<T: Decodable>(_ type: T.Type, at value: JSONValue) throws -> T {
        do {
            return try value.decode(type)
        } catch let error as DecodingError {
            throw JSONError(error)
        }
    }

    /// A call without a body decodes like one without fields.
    public static func decode<T: Decodable>(_ type: T.Type = T.self, from value: JSONValue?) throws -> T {
        try decode(type, from: value ?? .emptyObject)
    }

    /// Decodes bytes that contain exactly one message, with a reader of the shared pool.
    public static func decode<T: Decodable>(_ type: T.Type = T.self, from bytes: [UInt8]) throws -> T {
        try bytes.withUnsafeBytes { bytes in
            try JSONReaders.shared.read(bytes) { value in try decode(type, from: value) }
        }
    }
}

extension JSONValue {
    /// Types that are data or come in thousands are copied from the table. Others are decoded by the standard library,
    /// where each container costs an allocation and each element ten calls.
    func decode<T: Decodable>(_ type: T.Type) throws -> T {
        // These casts are to the same type: `as!` would take longer than the copy, because it asks the runtime.
        if type == String.self { return unsafeBitCast(try string(), to: type) }
        if type == Identifier.self { return unsafeBitCast(try Identifier(self), to: type) }
        if type == AnyIdentifier.self { return unsafeBitCast(try AnyIdentifier(self), to: type) }
        if type == LooseID.self { return unsafeBitCast(try LooseID(self), to: type) }
        if type == IdentifierList.self { return unsafeBitCast(try IdentifierList(self), to: type) }
        if type == RawJSON.self { return unsafeBitCast(RawJSON(self), to: type) }
        if type == Attributes.self { return unsafeBitCast(try Attributes(self), to: type) }
        if type == [Identifier].self { return unsafeBitCast(try elements().map { try Identifier($0) }, to: type) }
        if type == [AnyIdentifier].self { return unsafeBitCast(try elements().map { try AnyIdentifier($0) }, to: type) }
        if type == [String].self { return unsafeBitCast(try elements().map { try $0.string() }, to: type) }
        if type == [Bool].self { return unsafeBitCast(try elements().map { try $0.bool() }, to: type) }
        return try T(from: ValueDecoder(value: self))
    }
}

/// Adapts a value to the standard library's `Decoder`.
struct ValueDecoder: Decoder {
    let value: JSONValue
    var codingPath: [any CodingKey] { JSONPath.components(to: value) }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(try FieldDecoder<Key>(try value.fields(), of: value))
    }
    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { ElementDecoder(try value.elements(), of: value) }
    func singleValueContainer() throws -> any SingleValueDecodingContainer { ScalarDecoder(value: value) }
}

struct ScalarDecoder: SingleValueDecodingContainer {
    let value: JSONValue
    var codingPath: [any CodingKey] { JSONPath.components(to: value) }

    func decodeNil() -> Bool { value.isNull }
    func decode(_ type: Bool.Type) throws -> Bool { try value.bool() }
    func decode(_ type: String.Type) throws -> String { try value.string() }
    func decode(_ type: Double.Type) throws -> Double { try value.double() }
    func decode(_ type: Float.Type) throws -> Float { try value.float() }
    func decode(_ type: Int.Type) throws -> Int { try value.integer() }
    func decode(_ type: Int8.Type) throws -> Int8 { try value.integer() }
    func decode(_ type: Int16.Type) throws -> Int16 { try value.integer() }
    func decode(_ type: Int32.Type) throws -> Int32 { try value.integer() }
    func decode(_ type: Int64.Type) throws -> Int64 { try value.integer() }
    func decode(_ type: UInt.Type) throws -> UInt { try value.integer() }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try value.integer() }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try value.integer() }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try value.integer() }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try value.integer() }
    func decode<T: Decodable>(_ type: T.Type) throws -> T { try value.decode(type) }
}

struct ElementDecoder: UnkeyedDecodingContainer {
    private let array: JSONValue
    private var elements: JSONElements
    private(set) var currentIndex = 0

    init(_ elements: JSONElements, of array: JSONValue) {
        self.array = array
        self.elements = elements
    }

    var codingPath: [any CodingKey] { JSONPath.components(to: array) }
    var count: Int? { elements.count }
    var isAtEnd: Bool { elements.isAtEnd }

    private mutating func element() throws -> JSONValue {
        guard let element = elements.next() else {
            throw JSONError(at: array.path, "must have more than \(currentIndex) elements")
        }
        currentIndex += 1
        return element
    }

    mutating func decodeNil() throws -> Bool {
        var ahead = elements
        guard ahead.next()?.isNull == true else { return false }
        _ = try element()
        return true
    }
    mutating func decode(_ type: Bool.Type) throws -> Bool { try element().bool() }
    mutating func decode(_ type: String.Type) throws -> String { try element().string() }
    mutating func decode(_ type: Double.Type) throws -> Double { try element().double() }
    mutating func decode(_ type: Float.Type) throws -> Float { try element().float() }
    mutating func decode(_ type: Int.Type) throws -> Int { try element().integer() }
    mutating func decode(_ type: Int8.Type) throws -> Int8 { try element().integer() }
    mutating func decode(_ type: Int16.Type) throws -> Int16 { try element().integer() }
    mutating func decode(_ type: Int32.Type) throws -> Int32 { try element().integer() }
    mutating func decode(_ type: Int64.Type) throws -> Int64 { try element().integer() }
    mutating func decode(_ type: UInt.Type) throws -> UInt { try element().integer() }
    mutating func decode(_ type: UInt8.Type) throws -> UInt8 { try element().integer() }
    mutating func decode(_ type: UInt16.Type) throws -> UInt16 { try element().integer() }
    mutating func decode(_ type: UInt32.Type) throws -> UInt32 { try element().integer() }
    mutating func decode(_ type: UInt64.Type) throws -> UInt64 { try element().integer() }
    mutating func decode<T: Decodable>(_ type: T.Type) throws -> T { try element().decode(type) }

    mutating func nestedContainer<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        try ValueDecoder(value: element()).container(keyedBy: type)
    }
    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try ValueDecoder(value: element()).unkeyedContainer()
    }
    mutating func superDecoder() throws -> any Decoder { ValueDecoder(value: try element()) }
}
