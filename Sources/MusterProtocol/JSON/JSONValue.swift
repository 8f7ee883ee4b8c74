import CSimdJSON

/// A value that a `JSONReader` has read: a position in its table, valid only inside of the closure that received it.
public struct JSONValue {
    /// The JSON kind of a value; its text is its name in errors.
    public enum Kind: String, Sendable {
        /// `null`
        case null
        /// `true` or `false`
        case boolean = "a boolean"
        /// A number, whole or not.
        case number = "a number"
        /// A string.
        case string = "a string"
        /// An array.
        case array = "an array"
        /// An object.
        case object = "an object"
    }

    // Three words, so that `any Decoder` stores one without an allocation.
    private let nodes: UnsafePointer<cjson_node>
    private let strings: UnsafePointer<UInt8>
    private let nodeIndex: UInt32
    /// The root of paths. Its top bit is set when unknown fields are refused; a message of 1 GB has fewer than 2^31
    /// values.
    private let rootIndex: UInt32
    private static let strictBit: UInt32 = 1 << 31

    init(table: cjson_table) {
        self.init(nodes: table.nodes, strings: table.strings, nodeIndex: 0, rootIndex: 0)
    }

    /// An empty object without a reader; its table is static.
    static var emptyObject: JSONValue { JSONValue(table: emptyTable.table) }
    private static let emptyTable = EmptyTable()

    private init(nodes: UnsafePointer<cjson_node>, strings: UnsafePointer<UInt8>, nodeIndex: UInt32, rootIndex: UInt32)
    {
        self.nodes = nodes
        self.strings = strings
        self.nodeIndex = nodeIndex
        self.rootIndex = rootIndex
    }

    var index: Int { Int(nodeIndex) }
    var isKey: Bool { node.kind == CJSON_KEY.rawValue }
    var isTrue: Bool { node.kind == CJSON_TRUE.rawValue }
    var number: Double { node.kind == CJSON_WIDE_INTEGER.rawValue ? wideNumber : node.number }
    /// Never rounded to ±2^53: a value that can't be stored must not look like one that can.
    private var wideNumber: Double {
        let number = Double(node.integer)
        return abs(number) > 0x1p53 ? number : number + (number < 0 ? -2 : 2)
    }
    var node: cjson_node { nodes[Int(nodeIndex)] }
    /// The index after this value and its descendants.
    var next: Int { Int(node.next) }
    func at(_ index: Int) -> JSONValue {
        .init(nodes: nodes, strings: strings, nodeIndex: UInt32(truncatingIfNeeded: index), rootIndex: rootIndex)
    }

    /// The root of paths.
    var root: JSONValue {
        .init(nodes: nodes, strings: strings, nodeIndex: rootIndex & ~Self.strictBit, rootIndex: rootIndex)
    }
    /// The same value as the root of paths: to its decoder, an envelope's body is the whole message.
    var rooted: JSONValue { .init(nodes: nodes, strings: strings, nodeIndex: nodeIndex, rootIndex: nodeIndex) }
    /// Like `rooted`; decoding it refuses fields that the type does not have, in every object.
    var strict: JSONValue {
        .init(nodes: nodes, strings: strings, nodeIndex: nodeIndex, rootIndex: nodeIndex | Self.strictBit)
    }
    var refusesUnknownFields: Bool { rootIndex & Self.strictBit != 0 }
    /// The path below the decoded value, such as `cohort_changes[0]`.
    public var path: String { JSONPath.text(JSONPath.components(to: self)) }

    /// The kind.
    public var kind: Kind {
        switch cjson_kind(node.kind) {
        case CJSON_NULL: .null
        case CJSON_FALSE, CJSON_TRUE: .boolean
        case CJSON_INTEGER, CJSON_WIDE_INTEGER, CJSON_DOUBLE: .number
        case CJSON_ARRAY: .array
        case CJSON_OBJECT: .object
        default: .string
        }
    }
    /// Whether it is `null`.
    public var isNull: Bool { node.kind == CJSON_NULL.rawValue }
    /// The number of elements or fields; 0 for other kinds.
    public var count: Int { kind == .array || kind == .object ? Int(node.count) : 0 }

    /// The unescaped bytes of a string or key; empty for other kinds.
    public func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        try body(text)
    }

    var text: UnsafeRawBufferPointer {
        guard node.kind == CJSON_STRING.rawValue || node.kind == CJSON_KEY.rawValue else {
            return .init(start: nil, count: 0)
        }
        return .init(start: strings + Int(node.text.offset), count: Int(node.text.length))
    }

    /// Whether a string or key can't be stored: it has U+0000, or half of a surrogate pair, which is read as U+0000.
    public var isUnusable: Bool { bytesHaveNUL(text) }

    /// Throws when the value is a string that can't be stored.
    private func requireUsable() throws(JSONError) {
        guard !isUnusable else {
            let path = path
            let problem = "has U+0000 or half of a surrogate pair, which text can't contain"
            throw JSONError(.invalidCharacters, path: path, "\(path.isEmpty ? "the message" : path) \(problem)")
        }
    }

    /// An error that refuses this value.
    func mismatch(_ expected: String) -> JSONError {
        let found = kind == .null ? "null" : kind.rawValue
        return JSONError(at: path, "must be \(expected), and is \(found)")
    }

    /// An error that refuses the content of a value of the right kind.
    public func refused(_ problem: String, _ refusal: RefusalReason = .outOfRange) -> JSONError {
        JSONError(at: path, problem, refusal)
    }
}

extension JSONValue {
    /// The value as a boolean.
    public func bool() throws(JSONError) -> Bool {
        guard kind == .boolean else { throw mismatch("true or false") }
        return node.kind == CJSON_TRUE.rawValue
    }

    /// The value as a string. Throws when it can't be stored.
    public func string() throws(JSONError) -> String {
        guard kind == .string else { throw mismatch("a string") }
        try requireUsable()
        return String(decoding: text, as: UTF8.self)
    }

    /// The value as a string's bytes. Throws when it can't be stored, unless `takesUnusable`.
    func stringBytes(takesUnusable: Bool = false) throws(JSONError) -> UnsafeRawBufferPointer {
        guard kind == .string else { throw mismatch("a string") }
        if !takesUnusable { try requireUsable() }
        return text
    }

    /// The value as a number.
    public func double() throws(JSONError) -> Double {
        switch cjson_kind(node.kind) {
        case CJSON_INTEGER: return Double(node.integer)
        case CJSON_WIDE_INTEGER, CJSON_DOUBLE: return number
        default: throw mismatch("a number")
        }
    }

    /// The value as a single-precision number.
    func float() throws(JSONError) -> Float {
        let number = Float(try double())
        guard number.isFinite else { throw refused("must be a number in the range of a Float") }
        return number
    }

    /// The value as an integer of the type's range and within ±2^53; 1.0 and 1e2 are whole, 1.5 is not.
    public func integer<I: FixedWidthInteger>(_ type: I.Type = I.self) throws(JSONError) -> I {
        guard kind == .number else { throw mismatch("a whole number") }
        guard let whole else {
            throw refused("must be a whole number within ±2^53", abs(number) <= 0x1p53 ? .wrongType : .outOfRange)
        }
        guard let integer = I(exactly: whole) else { throw refused("must be a whole number \(Self.range(of: I.self))") }
        return integer
    }

    /// The number when it is whole and within ±2^53, else nil.
    var whole: Int64? {
        if node.kind == CJSON_INTEGER.rawValue { return node.integer }
        guard node.kind == CJSON_DOUBLE.rawValue, abs(node.number) <= 0x1p53 else { return nil }
        return Int64(exactly: node.number)
    }

    /// The digits of a whole number, also outside of ±2^53 when the reader accepts such numbers.
    var digits: String? {
        if node.kind == CJSON_WIDE_INTEGER.rawValue { return String(node.integer) }
        return whole.map { String($0) }
    }

    private static func range<I: FixedWidthInteger>(of type: I.Type) -> String {
        let least = max(Int64(clamping: I.min), -1 << 53)
        let max = min(Int64(clamping: I.max), 1 << 53)
        return "from \(least) to \(max)"
    }

    /// The elements of an array.
    public func elements() throws(JSONError) -> JSONElements {
        guard kind == .array else { throw mismatch("an array") }
        return JSONElements(self)
    }

    /// The fields of an object, in message order.
    public func fields() throws(JSONError) -> JSONFields {
        guard kind == .object else { throw mismatch("an object") }
        return JSONFields(self)
    }

    /// The value of an object's field; nil when it is absent or this is no object. Keys are compared as bytes.
    public func field(_ name: StaticString) -> JSONValue? {
        guard kind == .object else { return nil }
        let name = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        for field in JSONFields(self) where bytesEqual(field.name.text, name) { return field.value }
        return nil
    }
}

/// The table of an empty object. `@unchecked Sendable`: it is immutable.
private struct EmptyTable: @unchecked Sendable {
    let table: cjson_table

    init() {
        let nodes = UnsafeMutablePointer<cjson_node>.allocate(capacity: 1)
        nodes.initialize(to: cjson_node())
        nodes.pointee.kind = CJSON_OBJECT.rawValue
        nodes.pointee.next = 1
        // The table has no strings, so any address will do.
        table = cjson_table(nodes: nodes, strings: UnsafeRawPointer(nodes).assumingMemoryBound(to: UInt8.self))
    }
}

/// The elements of an array.
public struct JSONElements: Sequence, IteratorProtocol {
    private let array: JSONValue
    private var index: Int
    private let end: Int

    init(_ array: JSONValue) {
        self.array = array
        index = array.index + 1
        end = array.kind == .array ? array.next : index
    }

    /// The number of elements.
    public var count: Int { array.count }
    var isAtEnd: Bool { index >= end }

    /// The next element.
    public mutating func next() -> JSONValue? {
        guard index < end else { return nil }
        let value = array.at(index)
        index = value.next
        return value
    }
}

/// The fields of an object.
public struct JSONFields: Sequence, IteratorProtocol {
    private let object: JSONValue
    private var index: Int
    private let end: Int

    init(_ object: JSONValue) {
        self.object = object
        index = object.index + 1
        end = object.kind == .object ? object.next : index
    }

    /// The number of fields.
    public var count: Int { object.count }

    /// The next field; its name is a value whose bytes are the key's.
    public mutating func next() -> (name: JSONValue, value: JSONValue)? {
        guard index < end else { return nil }
        let field = (object.at(index), object.at(index + 1))
        index = field.1.next
        return field
    }
}
