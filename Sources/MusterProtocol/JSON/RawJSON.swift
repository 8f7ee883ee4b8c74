/// The text of one JSON value, minified: content that Muster forwards or stores without interpreting it.
///
/// Equal values in different notation (spaces, escapes, `1.0`) compare equal; objects keep the order of their fields.
public struct RawJSON: Hashable, Sendable {
    /// The text in UTF-8.
    public let bytes: [UInt8]

    /// `{}`
    public static let emptyObject = RawJSON(trusted: Array("{}".utf8))

    /// Wraps text that is known to be one minified value.
    init(trusted bytes: [UInt8]) { self.bytes = bytes }

    /// Reads a value from a message.
    public init(_ value: JSONValue) {
        var bytes: [UInt8] = []
        value.append(to: &bytes)
        self.bytes = bytes
    }

    /// Encodes `value`.
    public init(encoding value: some Encodable) throws {
        bytes = try JSONEncoding.encode(value)
    }

    /// The text as a string.
    public var text: String { String(decoding: bytes, as: UTF8.self) }
}

extension RawJSON: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Never the text, which may be personal data.
    public var description: String { "‹JSON›" }
    /// Never the text.
    public var debugDescription: String { description }
    /// Never the text.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension RawJSON: Codable {
    /// Only `JSONDecoding` can read one, and it bypasses this initializer.
    public init(from decoder: any Decoder) throws {
        throw JSONError(at: decoder, "can only be read by JSONDecoding", .wrongType)
    }

    /// Only `JSONEncoding` can write one, and it bypasses this method.
    public func encode(to encoder: any Encoder) throws {
        throw JSONError(at: "", "can only be written by JSONEncoding")
    }
}

extension JSONValue {
    /// Writes the value and its descendants, minified. A loop, so that nesting uses no stack.
    func append(to bytes: inout [UInt8]) {
        var open: [(end: Int, closer: UInt8)] = []
        var isFirst = true
        var at = index
        while at < next {
            let value = self.at(at)
            if !isFirst { bytes.append(UInt8(ascii: ",")) }
            isFirst = false
            switch value.kind {
            case .array, .object:
                bytes.append(UInt8(ascii: value.kind == .array ? "[" : "{"))
                open.append((value.next, UInt8(ascii: value.kind == .array ? "]" : "}")))
                isFirst = true
            default:
                value.appendScalar(to: &bytes)
                if value.isKey {
                    bytes.append(UInt8(ascii: ":"))
                    isFirst = true
                }
            }
            at += 1
            while let last = open.last, last.end == at {
                bytes.append(last.closer)
                open.removeLast()
                isFirst = false
            }
        }
    }

    private func appendScalar(to bytes: inout [UInt8]) {
        switch kind {
        case .null: bytes.append(contentsOf: "null".utf8)
        case .boolean: bytes.append(contentsOf: (isTrue ? "true" : "false").utf8)
        case .number:
            if let whole { JSONText.append(whole, to: &bytes) } else { JSONText.append(finite: number, to: &bytes) }
        default: JSONText.append(escaping: text, to: &bytes)
        }
    }
}
