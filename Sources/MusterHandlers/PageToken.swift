import Crypto
import FoundationEssentials
import MusterProtocol
import MusterStore

/// Where a listing goes on, as its caller carries it: a position, and a digest that binds it to the workspace and to the call that began
/// the listing. It is no secret and no proof: a position that somebody made up shows nothing that the call itself wouldn't.
enum PageToken {
    private static let digestBytes = 8

    static func encode(_ position: some Encodable, of call: some PagedCall, in workspace: WorkspaceID) throws -> String
    {
        let payload = try JSONEncoding.encode(position)
        let bytes = try digest(of: payload, call, workspace) + payload
        return Data(bytes).base64EncodedString()
            .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    /// Nil where the call has no token. Throws where the token is none of this call's.
    static func decode<Position: Decodable, C: PagedCall>(
        _: Position.Type, of call: C, in workspace: WorkspaceID
    ) throws -> Position? {
        guard let token = call.pageToken else { return nil }
        let refused = RPCError(
            .invalidArgument,
            "page_token is none of this call's: pass what the last reply gave, with everything else as in the first call"
        )
        guard token.utf8.count <= 1 << 16, let bytes = bytes(of: token), bytes.count > digestBytes else {
            throw refused
        }
        let payload = Array(bytes[digestBytes...])
        guard try digest(of: payload, call, workspace) == Array(bytes[..<digestBytes]) else { throw refused }
        do { return try JSONDecoding.decode(Position.self, from: payload) } catch { throw refused }
    }

    private static func bytes(of token: String) -> Data? {
        let padding = String(repeating: "=", count: (4 - token.utf8.count % 4) % 4)
        return Data(base64Encoded: token.replacing("-", with: "+").replacing("_", with: "/") + padding)
    }

    private static func digest<C: PagedCall>(
        of payload: [UInt8], _ call: C, _ workspace: WorkspaceID
    ) throws -> [UInt8] {
        var first = call
        (first.pageToken, first.pageSize) = (nil, nil)
        var hash = SHA256()
        hash.update(data: Array("\(workspace.rawValue) \(C.method) ".utf8))
        hash.update(data: try JSONEncoding.encode(first))
        hash.update(data: payload)
        return Array(hash.finalize().prefix(digestBytes))
    }
}

extension PagedCall {
    /// How many entries the page may hold.
    func limit() throws -> Int {
        guard let pageSize else { return Limits.pageDefault.value }
        guard pageSize > 0 else { throw RPCError(.invalidArgument, "page_size must be at least 1") }
        return min(pageSize, Limits.pageMost.value)
    }
}

extension Array where Element: Encodable {
    /// One page out of what was found, which is one entry more than `limit` where the listing goes on: as many as fit into a frame, and one
    /// at least.
    func page(_ limit: Int) throws -> (entries: Self, goesOn: Bool) {
        var bytes = 0
        let fitting = try prefix(limit).prefix { entry in
            bytes += try JSONEncoding.encode(entry).count + 1
            return bytes <= Limits.frame.value / 4 * 3
        }
        let entries = Self(fitting.isEmpty ? prefix(1) : fitting)
        return (entries, entries.count < count)
    }
}
