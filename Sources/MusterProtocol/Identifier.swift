/// A caller's identifier, compared byte by byte: composed and decomposed characters are different identifiers.
///
/// Prints as `‹identifier›`, because identifiers are personal data and must not reach a log.
public struct Identifier: Hashable, Comparable, Sendable {
    /// The bytes in UTF-8, as received.
    public var bytes: [UInt8]

    /// Makes an identifier of these bytes.
    public init(bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }
    /// Makes an identifier of this string.
    public init(_ text: String) { bytes = Array(text.utf8) }

    /// The identifier as a string, to show to its sender; do not compare it.
    public var text: String { String(decoding: bytes, as: UTF8.self) }
    /// Whether the bytes form a valid identifier.
    public var validity: Validity { bytes.withUnsafeBytes(Validity.init) }

    /// Bytewise order, the same as the database's.
    public static func < (a: Self, b: Self) -> Bool {
        a.bytes.withUnsafeBytes { a in b.bytes.withUnsafeBytes { bytesPrecede(a, $0) } }
    }
}

extension Identifier {
    /// Maximum bytes of an identifier: an index entry of every table must hold it, compressible or not.
    public static let longest = Limits.identifierBytes.value

    /// Whether bytes form a valid identifier. Imports count invalid ones in the receipt and go on.
    public enum Validity: Sendable, Equatable {
        /// A valid identifier.
        case valid
        /// There are no bytes.
        case empty
        /// There are more than `longest` bytes.
        case tooLong
        /// There is a control character: below U+0020, or U+007F.
        case controlCharacter

        /// Validates bytes in place.
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
    /// Makes an identifier of this string.
    public init(stringLiteral text: String) { self.init(text) }
    /// Never the bytes.
    public var description: String { "‹identifier›" }
    /// Never the bytes.
    public var debugDescription: String { description }
    /// Never the bytes.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension Identifier: Codable {
    /// Reads a JSON string. `JSONDecoding` bypasses this and copies the bytes directly.
    public init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(String.self))
    }

    /// Writes a JSON string. `JSONEncoding` bypasses this too.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
