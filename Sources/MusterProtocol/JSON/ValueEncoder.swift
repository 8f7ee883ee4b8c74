/// Adapts a `JSONWriter` to the standard library's `Encoder`, for one value.
struct ValueEncoder: Encoder {
    let writer: JSONWriter
    let level: Int
    let start: Int
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        KeyedEncodingContainer(FieldEncoder<Key>(writer: writer, level: level))
    }
    func unkeyedContainer() -> any UnkeyedEncodingContainer { ElementEncoder(writer: writer, level: level) }
    func singleValueContainer() -> any SingleValueEncodingContainer { ScalarEncoder(writer: writer, start: start) }
}

struct FieldEncoder<Key: CodingKey>: KeyedEncodingContainerProtocol {
    private let writer: JSONWriter
    private let container: JSONWriter.OpenContainer
    var codingPath: [any CodingKey] { [] }

    init(writer: JSONWriter, level: Int) {
        self.writer = writer
        container = writer.begin(UInt8(ascii: "{"), closer: UInt8(ascii: "}"), at: level)
    }

    private func next(_ key: Key) throws -> JSONWriter {
        try writer.next(in: container, name: key.stringValue)
        return writer
    }

    func encodeNil(forKey key: Key) throws { try next(key).writeNull() }
    func encode(_ value: Bool, forKey key: Key) throws { try next(key).write(value) }
    func encode(_ value: String, forKey key: Key) throws { try next(key).write(value) }
    func encode(_ value: Double, forKey key: Key) throws { try next(key).write(value) }
    func encode(_ value: Float, forKey key: Key) throws { try next(key).write(Double(value)) }
    func encode(_ value: Int, forKey key: Key) throws { try next(key).write(integer: value) }
    func encode(_ value: Int8, forKey key: Key) throws { try next(key).write(integer: value) }
    func encode(_ value: Int16, forKey key: Key) throws { try next(key).write(integer: value) }
    func encode(_ value: Int32, forKey key: Key) throws { try next(key).write(integer: value) }
    func encode(_ value: Int64, forKey key: Key) throws { try next(key).write(integer: value) }
    func encode(_ value: UInt, forKey key: Key) throws { try next(key).write(integer: value) }
    func encode(_ value: UInt8, forKey key: Key) throws { try next(key).write(integer: value) }
    func encode(_ value: UInt16, forKey key: Key) throws { try next(key).write(integer: value) }
    func encode(_ value: UInt32, forKey key: Key) throws { try next(key).write(integer: value) }
    func encode(_ value: UInt64, forKey key: Key) throws { try next(key).write(integer: value) }
    func encode<T: Encodable>(_ value: T, forKey key: Key) throws { try next(key).write(value) }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Nested> {
        nested(key).container(keyedBy: type)
    }
    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { nested(key).unkeyedContainer() }
    func superEncoder() -> any Encoder { nested(name: "super") }
    func superEncoder(forKey key: Key) -> any Encoder { nested(key) }

    private func nested(_ key: Key) -> ValueEncoder { nested(name: key.stringValue) }
    private func nested(name: String) -> ValueEncoder {
        do { try writer.next(in: container, name: name) } catch {
            writer.fail("a field to be sent has a name that JSON forbids")
        }
        return ValueEncoder(writer: writer, level: container.contentLevel, start: writer.bytes.count)
    }
}

struct ElementEncoder: UnkeyedEncodingContainer {
    private let writer: JSONWriter
    private let container: JSONWriter.OpenContainer
    private(set) var count = 0
    var codingPath: [any CodingKey] { [] }

    init(writer: JSONWriter, level: Int) {
        self.writer = writer
        container = writer.begin(UInt8(ascii: "["), closer: UInt8(ascii: "]"), at: level)
    }

    private mutating func next() -> JSONWriter {
        writer.next(in: container)
        count += 1
        return writer
    }

    mutating func encodeNil() throws { next().writeNull() }
    mutating func encode(_ value: Bool) throws { next().write(value) }
    mutating func encode(_ value: String) throws { try next().write(value) }
    mutating func encode(_ value: Double) throws { try next().write(value) }
    mutating func encode(_ value: Float) throws { try next().write(Double(value)) }
    mutating func encode(_ value: Int) throws { try next().write(integer: value) }
    mutating func encode(_ value: Int8) throws { try next().write(integer: value) }
    mutating func encode(_ value: Int16) throws { try next().write(integer: value) }
    mutating func encode(_ value: Int32) throws { try next().write(integer: value) }
    mutating func encode(_ value: Int64) throws { try next().write(integer: value) }
    mutating func encode(_ value: UInt) throws { try next().write(integer: value) }
    mutating func encode(_ value: UInt8) throws { try next().write(integer: value) }
    mutating func encode(_ value: UInt16) throws { try next().write(integer: value) }
    mutating func encode(_ value: UInt32) throws { try next().write(integer: value) }
    mutating func encode(_ value: UInt64) throws { try next().write(integer: value) }
    mutating func encode<T: Encodable>(_ value: T) throws { try next().write(value) }

    mutating func nestedContainer<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        nested().container(keyedBy: type)
    }
    mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { nested().unkeyedContainer() }
    mutating func superEncoder() -> any Encoder { nested() }

    private mutating func nested() -> ValueEncoder {
        ValueEncoder(writer: next(), level: container.contentLevel, start: writer.bytes.count)
    }
}

struct ScalarEncoder: SingleValueEncodingContainer {
    fileprivate let writer: JSONWriter
    fileprivate let start: Int
    var codingPath: [any CodingKey] { [] }

    private func only() -> JSONWriter {
        if writer.bytes.count != start { writer.fail("a value to be sent was written twice") }
        return writer
    }

    mutating func encodeNil() throws { only().writeNull() }
    mutating func encode(_ value: Bool) throws { only().write(value) }
    mutating func encode(_ value: String) throws { try only().write(value) }
    mutating func encode(_ value: Double) throws { try only().write(value) }
    mutating func encode(_ value: Float) throws { try only().write(Double(value)) }
    mutating func encode(_ value: Int) throws { try only().write(integer: value) }
    mutating func encode(_ value: Int8) throws { try only().write(integer: value) }
    mutating func encode(_ value: Int16) throws { try only().write(integer: value) }
    mutating func encode(_ value: Int32) throws { try only().write(integer: value) }
    mutating func encode(_ value: Int64) throws { try only().write(integer: value) }
    mutating func encode(_ value: UInt) throws { try only().write(integer: value) }
    mutating func encode(_ value: UInt8) throws { try only().write(integer: value) }
    mutating func encode(_ value: UInt16) throws { try only().write(integer: value) }
    mutating func encode(_ value: UInt32) throws { try only().write(integer: value) }
    mutating func encode(_ value: UInt64) throws { try only().write(integer: value) }
    mutating func encode<T: Encodable>(_ value: T) throws { try only().write(value) }
}
