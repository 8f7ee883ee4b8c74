import MusterProtocol

/// A field of a call or of a reply, as its type asks for it.
struct WireField: Hashable {
    var name: String
    var isRequired: Bool
}

/// The fields that `T` looks for when it is read, found by reading an example of it.
func wireFields<T: Codable>(of example: T) throws -> [WireField] {
    try JSONDecoding.decode(FieldSpy<T>.self, from: try JSONEncoding.encode(example)).fields
}

private struct FieldSpy<T: Decodable>: Decodable {
    let fields: [WireField]

    init(from decoder: any Decoder) throws {
        let notes = Notes()
        _ = try T(from: SpyingDecoder(decoder: decoder, notes: notes))
        fields = notes.fields
    }
}

private final class Notes {
    var fields: [WireField] = []

    func note(_ key: any CodingKey, isRequired: Bool) {
        if !fields.contains(where: { $0.name == key.stringValue }) {
            fields.append(WireField(name: key.stringValue, isRequired: isRequired))
        }
    }
}

private struct SpyingDecoder: Decoder {
    let decoder: any Decoder
    let notes: Notes
    var codingPath: [any CodingKey] { decoder.codingPath }
    var userInfo: [CodingUserInfoKey: Any] { decoder.userInfo }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(SpyingFields(fields: try decoder.container(keyedBy: type), notes: notes))
    }
    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { try decoder.unkeyedContainer() }
    func singleValueContainer() throws -> any SingleValueDecodingContainer { try decoder.singleValueContainer() }
}

/// An optional field is asked for with `contains` first, by the standard library's own `decodeIfPresent`; a required one is not.
private struct SpyingFields<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let fields: KeyedDecodingContainer<Key>
    let notes: Notes
    var codingPath: [any CodingKey] { fields.codingPath }
    var allKeys: [Key] { fields.allKeys }

    func contains(_ key: Key) -> Bool {
        notes.note(key, isRequired: false)
        return fields.contains(key)
    }
    func decodeNil(forKey key: Key) throws -> Bool { try fields.decodeNil(forKey: key) }

    private func take<T: Decodable>(_ key: Key) throws -> T {
        notes.note(key, isRequired: true)
        return try fields.decode(T.self, forKey: key)
    }
    func decode(_: Bool.Type, forKey key: Key) throws -> Bool { try take(key) }
    func decode(_: String.Type, forKey key: Key) throws -> String { try take(key) }
    func decode(_: Double.Type, forKey key: Key) throws -> Double { try take(key) }
    func decode(_: Float.Type, forKey key: Key) throws -> Float { try take(key) }
    func decode(_: Int.Type, forKey key: Key) throws -> Int { try take(key) }
    func decode(_: Int8.Type, forKey key: Key) throws -> Int8 { try take(key) }
    func decode(_: Int16.Type, forKey key: Key) throws -> Int16 { try take(key) }
    func decode(_: Int32.Type, forKey key: Key) throws -> Int32 { try take(key) }
    func decode(_: Int64.Type, forKey key: Key) throws -> Int64 { try take(key) }
    func decode(_: UInt.Type, forKey key: Key) throws -> UInt { try take(key) }
    func decode(_: UInt8.Type, forKey key: Key) throws -> UInt8 { try take(key) }
    func decode(_: UInt16.Type, forKey key: Key) throws -> UInt16 { try take(key) }
    func decode(_: UInt32.Type, forKey key: Key) throws -> UInt32 { try take(key) }
    func decode(_: UInt64.Type, forKey key: Key) throws -> UInt64 { try take(key) }
    func decode<T: Decodable>(_: T.Type, forKey key: Key) throws -> T { try take(key) }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> { try fields.nestedContainer(keyedBy: type, forKey: key) }
    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try fields.nestedUnkeyedContainer(forKey: key)
    }
    func superDecoder() throws -> any Decoder { try fields.superDecoder() }
    func superDecoder(forKey key: Key) throws -> any Decoder { try fields.superDecoder(forKey: key) }
}
