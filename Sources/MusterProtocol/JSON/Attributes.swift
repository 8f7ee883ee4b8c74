/// An object whose keys are data: names and values in message order, names compared as bytes.
public struct Attributes: Hashable, Sendable {
    /// One attribute.
    public struct Entry: Hashable, Sendable {
        /// The name in UTF-8.
        public var name: [UInt8]
        /// The value.
        public var value: AttributeValue

        /// Makes an attribute.
        public init(name: [UInt8], value: AttributeValue) {
            self.name = name
            self.value = value
        }
    }

    /// The attributes; names are unique within a message.
    public var entries: [Entry]

    /// Makes attributes of these entries.
    public init(_ entries: [Entry] = []) { self.entries = entries }

    /// The value of an attribute; nil when it is absent. Setting it keeps its position or appends it.
    public subscript(name: String) -> AttributeValue? {
        get { entries.first { $0.name.elementsEqual(name.utf8) }?.value }
        set {
            let index = entries.firstIndex { $0.name.elementsEqual(name.utf8) }
            switch (index, newValue) {
            case (let index?, let value?): entries[index].value = value
            case (let index?, nil): entries.remove(at: index)
            case (nil, let value?): entries.append(Entry(name: Array(name.utf8), value: value))
            case (nil, nil): break
            }
        }
    }
}

/// The value of an attribute.
public enum AttributeValue: Hashable, Sendable {
    /// `null`
    case null
    /// `true` or `false`
    case bool(Bool)
    /// A whole number within ±2^53, in any notation.
    case integer(Int64)
    /// Any other number; a whole one reads back as an `integer`.
    case number(Double)
    /// A string, in UTF-8.
    case string([UInt8])
    /// An array of strings only.
    case strings([[UInt8]])
    /// An object, or another array.
    case other(RawJSON)
}

extension Attributes {
    /// Reads an object's fields from a message.
    public init(_ object: JSONValue) throws(JSONError) {
        let fields = try object.fields()
        entries = []
        entries.reserveCapacity(fields.count)
        for field in fields { entries.append(.init(name: Array(field.name.text), value: AttributeValue(field.value))) }
    }

    func append(to bytes: inout [UInt8]) throws(JSONError) {
        bytes.append(UInt8(ascii: "{"))
        for (number, entry) in entries.enumerated() {
            if number > 0 { bytes.append(UInt8(ascii: ",")) }
            try JSONText.append(checking: entry.name, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            try entry.value.append(to: &bytes)
        }
        bytes.append(UInt8(ascii: "}"))
    }
}

extension AttributeValue {
    /// Reads a value from a message.
    public init(_ value: JSONValue) {
        switch value.kind {
        case .null: self = .null
        case .boolean: self = .bool(value.isTrue)
        case .number: self = value.whole.map(Self.integer) ?? .number(value.number)
        case .string: self = .string(Array(value.text))
        case .array where JSONElements(value).allSatisfy { $0.kind == .string }:
            self = .strings(JSONElements(value).map { Array($0.text) })
        default: self = .other(RawJSON(value))
        }
    }

    func append(to bytes: inout [UInt8]) throws(JSONError) {
        switch self {
        case .null: bytes.append(contentsOf: "null".utf8)
        case .bool(let value): bytes.append(contentsOf: (value ? "true" : "false").utf8)
        case .integer(let value): try JSONText.append(checking: value, to: &bytes)
        case .number(let value): try JSONText.append(checking: value, to: &bytes)
        case .string(let text): try JSONText.append(checking: text, to: &bytes)
        case .strings(let texts):
            bytes.append(UInt8(ascii: "["))
            for (number, text) in texts.enumerated() {
                if number > 0 { bytes.append(UInt8(ascii: ",")) }
                try JSONText.append(checking: text, to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .other(let json): bytes.append(contentsOf: json.bytes)
        }
    }
}

extension Attributes: ExpressibleByDictionaryLiteral {
    /// Makes attributes in this order.
    public init(dictionaryLiteral entries: (String, AttributeValue)...) {
        self.init(entries.map { .init(name: Array($0.utf8), value: $1) })
    }
}

extension AttributeValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
    /// A string.
    public init(stringLiteral text: String) { self = .string(Array(text.utf8)) }
    /// An integer.
    public init(integerLiteral value: Int64) { self = .integer(value) }
    /// A truth value.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension Attributes: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The count, never the content.
    public var description: String { "‹\(entries.count) attributes›" }
    /// The count, never the content.
    public var debugDescription: String { description }
    /// The count, never the content.
    public var customMirror: Mirror { Mirror(self, children: ["count": entries.count]) }
}

extension AttributeValue: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Never the content.
    public var description: String { "‹attribute›" }
    /// Never the content.
    public var debugDescription: String { description }
    /// Never the content.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension Attributes: Codable {
    /// Only `JSONDecoding` can read them, and it bypasses this initializer.
    public init(from decoder: any Decoder) throws {
        throw JSONError(at: decoder, "can only be read by JSONDecoding", .wrongType)
    }

    /// Only `JSONEncoding` can write them, and it bypasses this method.
    public func encode(to encoder: any Encoder) throws {
        throw JSONError(at: "", "can only be written by JSONEncoding")
    }
}
