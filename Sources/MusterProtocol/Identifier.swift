/// Who or what a caller means, byte for byte: composed and decomposed characters are two identifiers.
///
/// It prints as `‹identifier›`, since identifiers are people and must not reach a log.
public struct Identifier: Hashable, Comparable, Sendable {
    /// The identifier in UTF-8, as it came.
    public var bytes: [UInt8]

    /// The identifier of these bytes.
    public init(bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }
    /// The identifier that reads so.
    public init(_ text: String) { bytes = Array(text.utf8) }

    /// The identifier to show to who asked for it; not to compare.
    public var text: String { String(decoding: bytes, as: UTF8.self) }
    /// Whether it can be an identifier at all.
    public var validity: Validity { bytes.withUnsafeBytes(Validity.init) }

    /// In the order of its bytes, which is that of the database.
    public static func < (a: Self, b: Self) -> Bool {
        a.bytes.withUnsafeBytes { a in b.bytes.withUnsafeBytes { bytesPrecede(a, $0) } }
    }
}

extension Identifier {
    /// Bytes in an identifier: a key that every index takes, compressible or not.
    public static let longest = Limits.identifierBytes.value

    /// Whether bytes can be an identifier. What can't is counted in the receipt, and is no reason to refuse a request.
    public enum Validity: Sendable, Equatable {
        /// They can.
        case valid
        /// There are none.
        case empty
        /// There are more than `longest`.
        case tooLong
        /// There is a control character: below U+0020, or U+007F.
        case controlCharacter

        /// Judges bytes where they stand.
        public init(_ bytes: UnsafeRawBufferPointer) {
            if bytes.isEmpty {
                self = .empty
            } else if bytes.count > Identifier.longest {
                self = .tooLong
            } else {
                self = bytes.contains { $0 < 0x20 || $0 == 0x7F } ? .controlCharacter : .valid
            }
        }
    }
}

extension Identifier: ExpressibleByStringLiteral, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// The identifier that reads so.
    public init(stringLiteral text: String) { self.init(text) }
    /// Never the bytes.
    public var description: String { "‹identifier›" }
    /// Never the bytes.
    public var debugDescription: String { description }
    /// Never the bytes.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension Identifier: Codable {
    /// From a JSON string; `JSONDecoding` doesn't come here, but takes the bytes as they stand.
    public init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(String.self))
    }

    /// As a JSON string; `JSONEncoding` doesn't come here either.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
