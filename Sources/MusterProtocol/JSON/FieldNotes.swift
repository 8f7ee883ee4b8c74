/// Records the fields that a type asks for while it is decoded from a body that contains every field. If that body is
/// refused because the type is a choice between fields, decodes one body per field instead.
final class FieldNotes {
    private var names: [String: [String]] = [:]
    private var kinds: [String: FieldKind] = [:]
    private var presences: [String: FieldDescription.Presence] = [:]
    private var rules: [String: FieldRule] = [:]
    private var open: [(type: ObjectIdentifier, path: String)] = []
    /// Where each type that nests itself is described.
    private var recursive: [ObjectIdentifier: String] = [:]

    /// The fields that a type asks for, in the order of its coding keys or, without those, of its requests.
    static func fields<T: Decodable>(of _: T.Type) throws -> [FieldDescription] {
        let notes = FieldNotes()
        _ = try notes.value(T.self, at: "")
        return notes.fields()
    }

    /// Decodes a type from such a body. Throws when no body is accepted.
    func value<T: Decodable>(_ type: T.Type, at path: String) throws -> T {
        if let data = Self.data(type) {
            kinds[path] = data.kind
            return data.value
        }
        let around = open.first { $0.type == ObjectIdentifier(type) }?.path ?? recursive[ObjectIdentifier(type)]
        let isRepeated = around != nil
        if let around {
            kinds[path] = .again(around)
            recursive[ObjectIdentifier(type)] = around
        }
        open.append((ObjectIdentifier(type), path))
        defer { open.removeLast() }
        let object = ProbedObject(path: path, isRepeated: isRepeated)
        let whole = Result { try T(from: Probe(notes: self, object: object)) }
        if case .success(let value) = whole { return value }
        for name in object.fields where !isRepeated { presences[Self.path(name, in: path)] = .choice }
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

    /// Notes what the call wants of an object's fields, which goes before what is asked for.
    func note(_ rules: [(name: String, rule: FieldRule)], of object: ProbedObject) {
        for field in rules { self.rules[Self.path(field.name, in: object.path)] = field.rule }
    }

    func note(_ kind: FieldKind, at path: String, unless isRepeated: Bool = false) {
        if !isRepeated { kinds[path] = kind }
    }

    /// The first access to a field determines its presence: a required field is read without a lookup.
    func note(_ presence: FieldDescription.Presence, of name: String, in object: ProbedObject) {
        guard !object.isRepeated, object.only == nil else { return }
        if !object.fields.contains(name) {
            object.fields.append(name)
            note(object)
        }
        let path = Self.path(name, in: object.path)
        if presences[path] == nil { presences[path] = presence }
    }

    static func path(_ name: String, in object: String) -> String { object.isEmpty ? name : "\(object).\(name)" }

    private func fields(below path: String = "") -> [FieldDescription] {
        (names[path] ?? []).flatMap { name in
            let path = Self.path(name, in: path)
            return [field(at: path)] + fields(below: path) + fields(below: "\(path)[]")
        }
    }

    private func field(at path: String) -> FieldDescription {
        let rule = rules[path]
        let type = kinds[path]?.words(element: kinds["\(path)[]"])
        return FieldDescription(
            path: path, type: rule?.type ?? type ?? "any", presence: rule?.presence ?? presences[path],
            bounds: rule?.bounds, isValidatedSeparately: rule != nil)
    }

    /// A value whose type looks for no field, and its kind; nil for other types.
    private static func data<T>(_ type: T.Type) -> (value: T, kind: FieldKind)? {
        let values: [(Any, String)] = [
            ("", "string"), (false, "boolean"), (0, "whole number"), (Int64(0), "whole number"), (0.0, "number"),
            (Identifier(""), "string"), (AnyIdentifier(id: ""), "string"), (IdentifierList(), "array of strings"),
            (Attributes(), "object"),
            (RawJSON.emptyObject, "JSON value"), (Instant(microseconds: 0), "time"),
            (FilterValue.boolean(false), "string, number or boolean"),
        ]
        for (value, name) in values { if let value = value as? T { return (value, .named(name)) } }
        guard let choice = type as? any CaseIterable.Type, let value = first(of: choice) as? T else { return nil }
        return (value, .oneOf(names(of: choice)))
    }

    private static func names<C: CaseIterable>(of _: C.Type) -> [String] {
        C.allCases.compactMap { ($0 as? any RawRepresentable)?.rawValue as? String }
    }

    private static func first<C: CaseIterable>(of _: C.Type) -> Any? { C.allCases.first }
}

/// A value that is asked for fields.
final class ProbedObject {
    let path: String
    /// Whether the value is nested in its own type: it records nothing and its arrays are empty, which ends the
    /// recursion.
    let isRepeated: Bool
    var fields: [String] = []
    /// The only field that the value has; nil for all fields.
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
        let rules = (type as? any KeyWithRules.Type)?.rules
        if object.only == nil { object.fields = rules?.map(\.name) ?? fieldNames(of: type) }
        if let rules { notes.note(rules, of: object) }
        notes.note(object)
        notes.note(.object, at: object.path, unless: object.isRepeated)
        return KeyedDecodingContainer(ProbedFields(notes: notes, object: object))
    }
    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        notes.note(.array, at: object.path, unless: object.isRepeated)
        return ProbedElements(notes: notes, array: object)
    }
    func singleValueContainer() throws -> any SingleValueDecodingContainer {
        ProbedValue(notes: notes, path: object.path)
    }
}

private struct ProbedFields<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let notes: FieldNotes
    let object: ProbedObject
    var codingPath: [any CodingKey] { [] }
    var allKeys: [Key] { object.fields.compactMap { Key(stringValue: $0) } }

    private func path(_ key: Key) -> String { FieldNotes.path(key.stringValue, in: object.path) }
    private func take<T: Decodable>(_ key: Key) throws -> T {
        notes.note(.required, of: key.stringValue, in: object)
        guard object.has(key) else { throw JSONError(missing: key.stringValue, at: object.path) }
        return try notes.value(T.self, at: path(key))
    }
    private func number<T: FixedWidthInteger>(_ key: Key) -> T {
        notes.note(.required, of: key.stringValue, in: object)
        notes.note(.named("whole number"), at: path(key))
        return 0
    }

    func contains(_ key: Key) -> Bool {
        notes.note(.optional, of: key.stringValue, in: object)
        return object.has(key)
    }
    func decodeNil(forKey key: Key) throws -> Bool { false }
    func decode(_: Bool.Type, forKey key: Key) throws -> Bool { try take(key) }
    func decode(_: String.Type, forKey key: Key) throws -> String { try take(key) }
    func decode(_: Double.Type, forKey key: Key) throws -> Double { try take(key) }
    func decode(_: Float.Type, forKey key: Key) throws -> Float { Float(try take(key) as Double) }
    func decode(_: Int.Type, forKey key: Key) throws -> Int { number(key) }
    func decode(_: Int8.Type, forKey key: Key) throws -> Int8 { number(key) }
    func decode(_: Int16.Type, forKey key: Key) throws -> Int16 { number(key) }
    func decode(_: Int32.Type, forKey key: Key) throws -> Int32 { number(key) }
    func decode(_: Int64.Type, forKey key: Key) throws -> Int64 { number(key) }
    func decode(_: UInt.Type, forKey key: Key) throws -> UInt { number(key) }
    func decode(_: UInt8.Type, forKey key: Key) throws -> UInt8 { number(key) }
    func decode(_: UInt16.Type, forKey key: Key) throws -> UInt16 { number(key) }
    func decode(_: UInt32.Type, forKey key: Key) throws -> UInt32 { number(key) }
    func decode(_: UInt64.Type, forKey key: Key) throws -> UInt64 { number(key) }
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

/// One element, or none when it would nest a type in itself.
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

/// A value that is decoded as another type.
private struct ProbedValue: SingleValueDecodingContainer {
    let notes: FieldNotes
    let path: String
    var codingPath: [any CodingKey] { [] }

    func decodeNil() -> Bool { false }
    func decode<T: Decodable>(_ type: T.Type) throws -> T { try notes.value(type, at: path) }
}
