/// An object's fields. A class, so that a lookup can continue where the last one ended: reading all fields in message
/// order takes one pass, even for a dictionary of 100,000 keys.
final class FieldDecoder<Key: CodingKey>: KeyedDecodingContainerProtocol {
    private let object: JSONValue
    private var rest: JSONFields

    /// Throws when unknown fields are refused and the object has one.
    init(_ fields: JSONFields, of object: JSONValue) throws(JSONError) {
        self.object = object
        rest = fields
        if object.refusesUnknownFields { try object.requireKnownFields(Key.self) }
    }

    var codingPath: [any CodingKey] { JSONPath.components(to: object) }
    var allKeys: [Key] {
        JSONFields(object).compactMap { Key(stringValue: String(decoding: $0.name.text, as: UTF8.self)) }
    }

    private func find(_ name: UnsafeRawBufferPointer) -> JSONValue? {
        while let field = rest.next() {
            if bytesEqual(field.name.text, name) { return field.value }
        }
        rest = JSONFields(object)
        while let field = rest.next() {
            if bytesEqual(field.name.text, name) { return field.value }
        }
        return nil
    }

    private func optional(_ key: Key) -> JSONValue? {
        var name = key.stringValue
        return name.withUTF8 { find(UnsafeRawBufferPointer($0)) }
    }

    private func present(_ key: Key) -> JSONValue? {
        guard let value = optional(key), !value.isNull else { return nil }
        return value
    }

    private func field(_ key: Key) throws -> JSONValue {
        guard let value = optional(key) else { throw JSONError(missing: key.stringValue, at: object.path) }
        return value
    }

    func contains(_ key: Key) -> Bool { optional(key) != nil }
    func decodeNil(forKey key: Key) throws -> Bool { try field(key).isNull }
    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try field(key).bool() }
    func decode(_ type: String.Type, forKey key: Key) throws -> String { try field(key).string() }
    func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try field(key).double() }
    func decode(_ type: Float.Type, forKey key: Key) throws -> Float { try field(key).float() }
    func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try field(key).integer() }
    func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try field(key).integer() }
    func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try field(key).integer() }
    func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try field(key).integer() }
    func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try field(key).integer() }
    func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try field(key).integer() }
    func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try field(key).integer() }
    func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try field(key).integer() }
    func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try field(key).integer() }
    func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try field(key).integer() }
    func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T { try field(key).decode(type) }

    // The protocol's default implementations look up each field three times; calls use these instead.
    func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? { try present(key)?.bool() }
    func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? { try present(key)?.string() }
    func decodeIfPresent(_ type: Double.Type, forKey key: Key) throws -> Double? { try present(key)?.double() }
    func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? { try present(key)?.integer() }
    func decodeIfPresent(_ type: Int64.Type, forKey key: Key) throws -> Int64? { try present(key)?.integer() }
    func decodeIfPresent<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T? { try present(key)?.decode(type) }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> {
        try ValueDecoder(value: field(key)).container(keyedBy: type)
    }
    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try ValueDecoder(value: field(key)).unkeyedContainer()
    }
    func superDecoder() throws -> any Decoder {
        guard let key = Key(stringValue: "super") else { throw JSONError(missing: "super", at: object.path) }
        return ValueDecoder(value: try field(key))
    }
    func superDecoder(forKey key: Key) throws -> any Decoder { ValueDecoder(value: try field(key)) }
}
