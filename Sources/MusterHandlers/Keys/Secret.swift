import Cryptography
public import MusterProtocol
public import MusterStore

/// The secret of a key: `mus_imp_1_` or `mus_srv_1_` with the number of its workspace, 43 random characters (256 bits),
/// and a checksum of 6 characters. By these this server, or a scanner for leaked secrets, recognizes it without a
/// look-up.
///
/// The format must not change: secrets of this format are in use.
public struct Secret: Sendable, Equatable {
    public let workspace: WorkspaceID
    public let kind: KeyKind
    /// The secret itself, to be shown only once.
    public let text: String

    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
    private static let randomLength = 43
    private static let checksumLength = 6

    /// Makes a new secret with the system's random number generator.
    public init(_ kind: KeyKind, in workspace: WorkspaceID) {
        self.kind = kind
        self.workspace = workspace
        text = String(decoding: Self.withChecksum(Self.prefix(kind, workspace) + Self.randomness()), as: UTF8.self)
    }

    private static func randomness() -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<randomLength).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &generator)] }
    }

    /// Encodes 32 bytes as a number in 43 characters, the fewest that hold it.
    static func digits(of number: [UInt8]) -> [UInt8] {
        var rest = number
        let digits = (0..<randomLength).map { _ in
            var remainder = 0
            for index in rest.indices {
                let value = remainder << 8 | Int(rest[index])
                rest[index] = UInt8(value / alphabet.count)
                remainder = value % alphabet.count
            }
            return alphabet[remainder]
        }
        return digits.reversed()
    }

    static func withChecksum(_ bytes: [UInt8]) -> [UInt8] { bytes + checksum(of: bytes) }

    /// Whether the bytes are the prefix, random characters and the right checksum.
    static func isWellFormed(_ bytes: [UInt8], after prefix: [UInt8]) -> Bool {
        let rest = bytes.dropFirst(prefix.count)
        return bytes.starts(with: prefix) && rest.count == randomLength + checksumLength
            && rest.allSatisfy(alphabet.contains)
            && bytes.suffix(checksumLength).elementsEqual(checksum(of: bytes.dropLast(checksumLength)))
    }

    /// Parses a secret; nil unless prefix and checksum match. Random text passes once in 2³².
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        let parts = bytes.split(separator: UInt8(ascii: "_"), omittingEmptySubsequences: false)
        guard bytes.count <= 80, parts.count == 4,
            let number = Int32(String(decoding: parts[2], as: UTF8.self)), number > 0,
            let kind = KeyKind.allKinds.first(where: {
                Self.isWellFormed(bytes, after: Self.prefix($0, .init(rawValue: number)))
            })
        else { return nil }
        self.kind = kind
        workspace = WorkspaceID(rawValue: number)
        self.text = text
    }

    /// The stored form. 256 random bits need no slow hash, which unauthenticated callers could exploit.
    public var digest: [UInt8] { get throws { try Self.digest(of: text) } }

    /// SHA-256 of any secret text.
    static func digest(of text: String) throws -> [UInt8] { try SHA256.digest(of: Array(text.utf8)) }

    /// Compares two digests in constant time.
    static func isSame(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for index in left.indices { difference |= left[index] ^ right[index] }
        return difference == 0
    }

    /// Makes the public id of a new key, for logs and lists. It is not part of the secret.
    public static func newKeyID() -> String {
        var generator = SystemRandomNumberGenerator()
        let number = UInt64.random(in: 0..<(1 << 48), using: &generator)
        let hexadecimal = String(number, radix: 16)
        return "k_" + String(repeating: "0", count: 12 - hexadecimal.count) + hexadecimal
    }

    private static func prefix(_ kind: KeyKind, _ workspace: WorkspaceID) -> [UInt8] {
        Array("mus_\(kind == .import ? "imp" : "srv")_\(workspace.rawValue)_".utf8)
    }

    private static func checksum(of bytes: some Sequence<UInt8>) -> [UInt8] {
        var rest = crc32(of: bytes)
        var digits: [UInt8] = []
        for _ in 0..<checksumLength {
            digits.append(alphabet[Int(rest % UInt32(alphabet.count))])
            rest /= UInt32(alphabet.count)
        }
        return digits.reversed()
    }

    /// The CRC-32 of zip and Ethernet, bit by bit: sixty bytes per key need no table.
    private static func crc32(of bytes: some Sequence<UInt8>) -> UInt32 {
        var remainder = UInt32.max
        for byte in bytes {
            remainder ^= UInt32(byte)
            for _ in 0..<8 { remainder = remainder >> 1 ^ (remainder & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
        return ~remainder
    }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Never contains the secret.
    public var description: String { "‹secret›" }
    /// Never contains the secret.
    public var debugDescription: String { description }
    /// Never contains the secret.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension KeyKind {
    fileprivate static let allKinds: [KeyKind] = [.import, .service]
}
