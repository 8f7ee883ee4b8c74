public import MusterProtocol
import MusterSets

/// One erased registration, as a line of the journal:
///
///     1 2026-11-27T21:40:00.123456Z 7 3f9a1c07be425d6688a0b1c2 8d1f0c22a96b7e54
///
/// The format's number, the erasure's time, the workspace's number, the registration's `braze_id`, and XXH64 of these
/// in 16 hexadecimal digits. The workspace's number is only a hint where to search: the random id decides.
public struct JournalLine: Sendable, Hashable {
    public var workspace: WorkspaceID
    public var brazeID: Identifier
    public var erasedAt: Instant

    public init(workspace: WorkspaceID, brazeID: Identifier, erasedAt: Instant) {
        (self.workspace, self.brazeID, self.erasedAt) = (workspace, brazeID, erasedAt)
    }

    /// The limit of a line's length, including the line break.
    static let maxBytes = 128

    /// The line with its line break.
    var bytes: [UInt8] {
        let facts = Array("1 \(erasedAt.iso8601) \(workspace.rawValue) ".utf8) + brazeID.bytes
        return facts + [UInt8(ascii: " ")] + Self.checksum(facts[...]) + [UInt8(ascii: "\n")]
    }

    /// Nil unless the bytes, without the line break, are a complete and undamaged line.
    init?(_ bytes: ArraySlice<UInt8>) {
        let fields = bytes.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard fields.count == 5, fields[0].elementsEqual("1".utf8),
            fields[4].elementsEqual(Self.checksum(bytes.dropLast(17))),
            let moment = Instant(iso8601: fields[1]), let number = Int32(String(decoding: fields[2], as: UTF8.self)),
            !fields[3].isEmpty
        else { return nil }
        self.init(
            workspace: WorkspaceID(rawValue: number), brazeID: Identifier(bytes: Array(fields[3])), erasedAt: moment)
    }

    private static func checksum(_ facts: ArraySlice<UInt8>) -> [UInt8] {
        let hash = facts.withUnsafeBytes { XXH64.hash($0) }
        let digits = String(hash, radix: 16)
        return Array(String(repeating: "0", count: 16 - digits.count).utf8) + Array(digits.utf8)
    }
}
