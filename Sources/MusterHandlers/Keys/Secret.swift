import Cryptography
public import MusterProtocol
public import MusterStore

/// The secret of a key: `mus_imp_1_` or `mus_srv_1_` with the number of its workspace, 43 characters of chance (256
/// bits), and 6 of checksum, so that a scanner for leaked secrets, or this server, can tell it from anything else
/// without a look-up.
///
/// The form is for ever: secrets of this form are in use.
public struct Secret: Sendable, Equatable {
    public let workspace: WorkspaceID
    public let kind: KeyKind
    /// The secret itself, to be shown once.
    public let text: String

    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
    private static let randomLength = 43
    private static let checksumLength = 6

    /// A new one, from the system's generator of random numbers.
    public init(_ kind: KeyKind, in workspace: WorkspaceID) {
        self.kind = kind
        self.workspace = workspace
        text = String(decoding: Self.withChecksum(Self.prefix(kind, workspace) + Self.randomness()), as: UTF8.self)
    }

    private static func randomness() -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<randomLength).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &generator)] }
    }

    /// 32 bytes as a number in as many characters as chance has, which hold it just.
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

    /// Whether bytes are a prefix with chance and the right checksum behind it.
    static func isWellFormed(_ bytes: [UInt8], after prefix: [UInt8]) -> Bool {
        let rest = bytes.dropFirst(prefix.count)
        return bytes.starts(with: prefix) && rest.count == randomLength + checksumLength
            && rest.allSatisfy(alphabet.contains)
            && bytes.suffix(checksumLength).elementsEqual(checksum(of: bytes.dropLast(checksumLength)))
    }

    /// Reads one. Nil for all that was never made by the initialiser above, but for one in four thousand million.
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

    /// What is stored. 256 bits of chance need no slow hash, and a slow one would be a lever for strangers.
    public var digest: [UInt8] { get throws { try Self.digest(of: text) } }

    /// SHA-256 of any secret text.
    static func digest(of text: String) throws -> [UInt8] { try SHA256.digest(of: Array(text.utf8)) }

    /// Whether two digests are the same, in a time that doesn't tell where they differ.
    static func isSame(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for index in left.indices { difference |= left[index] ^ right[index] }
        return difference == 0
    }

    /// The public id of a new key: for logs and lists, and no part of its secret.
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

    /// The CRC-32 of zip and Ethernet, bit by bit: sixty bytes a key need no table.
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
    /// Never the secret.
    public var description: String { "‹secret›" }
    /// Never the secret.
    public var debugDescription: String { description }
    /// Never the secret.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension KeyKind {
    fileprivate static let allKinds: [KeyKind] = [.import, .service]
}
