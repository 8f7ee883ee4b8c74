extension Call {
    /// The paths of the fields that the call's body may have, such as `cohort_changes[].user_ids`: each field is followed by those inside it.
    /// What is data has none inside, and a filter inside a filter is not gone into again.
    public static func fieldPaths() throws -> [String] {
        let notes = FieldNotes()
        _ = try notes.value(Self.self, at: "")
        return notes.paths()
    }
}

/// What a type asks for when it is read. It is read out of a body that has whatever is asked for; where that is refused, since a type is a
/// choice between fields, out of bodies with one field each.
private final class FieldNotes {
    private var names: [String: [String]] = [:]
    private var open: [ObjectIdentifier] = []

    /// The value of a type out of such a body. Throws where no body will do.
    func value<T: Decodable>(_ type: T.Type, at path: String) throws -> T {
        if let data = Self.data(type) { return data }
        let isRepeated = open.contains(ObjectIdentifier(type))
        open.append(ObjectIdentifier(type))
        defer { open.removeLast() }
        let object = ProbedObject(path: path, isRepeated: isRepeated)
        let whole = Result { try T(from: Probe(notes: self, object: object)) }
        if case .success(let value) = whole { return value }
        var found: T?
        for position in object.fields.indices where found == nil || !isRepeated {
            object.only = position
            let value = try? T(from: Probe(notes: self, object: object))
            found = found ?? value
        }
        if let found { return found }
        return try whole.get()
    }

    func note(_ object: ProbedObject) {
        if !object.isRepeated { names[object.path] = object.fields }
    }

    func paths(below path: String = "") -> [String] {
        (names[path] ?? []).flatMap { name in
            let field = path.isEmpty ? name : "\(path).\(name)"
            return [field] + paths(below: field) + paths(below: "\(field)[]")
        }
    }

    /// A value of a type in which no field is looked for; nil for all others.
    private static func data<T>(_ type: T.Type) -> T? {
        let values: [Any] = [
            "", false, 0, 0.0, Identifier(""), AnyIdentifier(id: ""), IdentifierList(), Attributes(),
            RawJSON.emptyObject,
            Instant(microseconds: 0), FilterValue.boolean(false),
        ]
        if let value = values.lazy.compactMap({ $0 as? T }).first { return value }
        return (type as? any CaseIterable.Type).flatMap { first(of: $0) as? T }
    }

    private static func first<C: CaseIterable>(of _: C.Type) -> Any? { C.allCases.first }
}

/// A value that is asked for fields.
private final class ProbedObject {
    let path: String
    /// Whether it is inside of one of its own type: nothing is noted then, and arrays are empty, so that this ends.
    let isRepeated: Bool
    var fields: [String] = []
    /// The one field that it has; nil for all.
    var only: Int?

    init(path: String, isRepeated: Bool) { (self.path, self.isRepeated) = (path, isRepeated) }

    func has(_ key: any CodingKey) -> Bool { only.map { fields[$0] == key.stringValue } ?? true }
}

private struct Probe: Decoder {
    let notes: FieldNotes
    let object: ProbedObject
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        object.fields = fieldNames(of: type)
        notes.note(object)
        return KeyedDecodingContainer(ProbedFields(notes: notes, object: object))
    }
    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { ProbedElements(notes: notes, array: object) }
    func singleValueContainer() throws -> any SingleValueDecodingContainer {
        throw JSONError(at: object.path, "is of a type whose fields can't be listed")
    }
}

private struct ProbedFields<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let notes: FieldNotes
    let object: ProbedObject
    var codingPath: [any CodingKey] { [] }
    var allKeys: [Key] { object.fields.compactMap { Key(stringValue: $0) } }

    private func path(_ key: Key) -> String {
        object.path.isEmpty ? key.stringValue : "\(object.path).\(key.stringValue)"
    }
    private func take<T: Decodable>(_ key: Key) throws -> T {
        guard object.has(key) else { throw JSONError(missing: key.stringValue, at: object.path) }
        return try notes.value(T.self, at: path(key))
    }

    func contains(_ key: Key) -> Bool { object.has(key) }
    func decodeNil(forKey key: Key) throws -> Bool { false }
    func decode(_: Bool.Type, forKey key: Key) throws -> Bool { false }
    func decode(_: String.Type, forKey key: Key) throws -> String { "" }
    func decode(_: Double.Type, forKey key: Key) throws -> Double { 0 }
    func decode(_: Float.Type, forKey key: Key) throws -> Float { 0 }
    func decode(_: Int.Type, forKey key: Key) throws -> Int { 0 }
    func decode(_: Int8.Type, forKey key: Key) throws -> Int8 { 0 }
    func decode(_: Int16.Type, forKey key: Key) throws -> Int16 { 0 }
    func decode(_: Int32.Type, forKey key: Key) throws -> Int32 { 0 }
    func decode(_: Int64.Type, forKey key: Key) throws -> Int64 { 0 }
    func decode(_: UInt.Type, forKey key: Key) throws -> UInt { 0 }
    func decode(_: UInt8.Type, forKey key: Key) throws -> UInt8 { 0 }
    func decode(_: UInt16.Type, forKey key: Key) throws -> UInt16 { 0 }
    func decode(_: UInt32.Type, forKey key: Key) throws -> UInt32 { 0 }
    func decode(_: UInt64.Type, forKey key: Key) throws -> UInt64 { 0 }
    func decode<T: Decodable>(_: T.Type, forKey key: Key) throws -> T { try take(key) }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> {
        let inside = ProbedObject(path: path(key), isRepeated: object.isRepeated)
        return try Probe(notes: notes, object: inside).container(keyedBy: type)
    }
    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        ProbedElements(notes: notes, array: ProbedObject(path: path(key), isRepeated: object.isRepeated))
    }
    func superDecoder() throws -> any Decoder { Probe(notes: notes, object: object) }
    func superDecoder(forKey key: Key) throws -> any Decoder { Probe(notes: notes, object: object) }
}

/// One element, or none where it would be of a type inside of itself.
private struct ProbedElements: UnkeyedDecodingContainer {
    let notes: FieldNotes
    let array: ProbedObject
    private(set) var currentIndex = 0
    var codingPath: [any CodingKey] { [] }
    var count: Int? { array.isRepeated ? 0 : 1 }
    var isAtEnd: Bool { currentIndex >= (count ?? 0) }

    init(notes: FieldNotes, array: ProbedObject) { (self.notes, self.array) = (notes, array) }

    mutating func decodeNil() throws -> Bool { false }
    mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
        currentIndex += 1
        return try notes.value(type, at: "\(array.path)[]")
    }
    mutating func nestedContainer<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        currentIndex += 1
        let inside = ProbedObject(path: "\(array.path)[]", isRepeated: array.isRepeated)
        return try Probe(notes: notes, object: inside).container(keyedBy: type)
    }
    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        currentIndex += 1
        return ProbedElements(notes: notes, array: ProbedObject(path: "\(array.path)[]", isRepeated: array.isRepeated))
    }
    mutating func superDecoder() throws -> any Decoder { Probe(notes: notes, object: array) }
}
