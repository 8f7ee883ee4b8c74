import Cryptography
import FoundationEssentials
import Locking
import MusterProtocol
import MusterStore

/// The page tokens of the workspaces whose key is known, for calls that have no task to wait for it.
final class KnownPageTokens: Sendable {
    private let store: Store
    private let known = Locked<[WorkspaceID: PageTokens]>([:])

    init(store: Store) { self.store = store }

    /// Passes the tokens on: at once if the key is known, else on `loop`. The task that reads the key is unstructured
    /// and bounded by the deadline of the call; there is one for the first calls of each workspace.
    func get(
        for context: CallContext, on loop: any AnswerLoop,
        then: @escaping @Sendable (Result<PageTokens, any Error>) -> Void
    ) {
        let workspace = context.session.workspaceID
        if let tokens = known.withLock({ $0[workspace] }) { return then(.success(tokens)) }
        Task {
            let result: Result<PageTokens, any Error>
            do {
                let tokens = try await PageTokens(store, context)
                known.withLock { $0[workspace] = tokens }
                result = .success(tokens)
            } catch {
                result = .failure(error)
            }
            loop.execute { then(result) }
        }
    }
}

/// The page tokens of a workspace. A token holds the position in a listing. It is encrypted, since a position contains
/// a user number and those are never shown. It opens only in its workspace and for the call that began the listing.
struct PageTokens {
    private let key: [UInt8]
    private let workspace: WorkspaceID

    init(_ store: Store, _ context: CallContext) async throws {
        workspace = context.session.workspaceID
        key = try await store.in(context.scope).pageTokenKey()
    }

    /// Makes the token of a position.
    func token(_ position: some Encodable, of call: some PagedCall) throws -> String {
        let position = try JSONEncoding.encode(position)
        return Self.text(of: try ChaChaPoly.seal(position, key: key, context: try beginning(of: call)))
    }

    /// Opens the token of a call; nil if the call has none. Throws if the token belongs to another call.
    func position<Position: Decodable, C: PagedCall>(_: Position.Type, of call: C) throws -> Position? {
        guard let token = call.pageToken else { return nil }
        let context = try beginning(of: call)
        let refused = RPCError(
            .invalidArgument, .otherCallsToken, field: "page_token",
            "page_token does not belong to this request: repeat the first request unchanged with the last next_page_token"
        )
        guard token.utf8.count <= 1 << 16, let bytes = Self.bytes(of: token) else { throw refused }
        let opened: [UInt8]
        do { opened = try ChaChaPoly.open(bytes, key: key, context: context) } catch CryptographyError.notAuthentic {
            throw refused
        }
        do { return try JSONDecoding.decode(Position.self, from: opened) } catch { throw refused }
    }

    /// One page of a listing.
    ///
    /// - Parameters:
    ///   - position: the position of an entry in the order of the listing.
    ///   - find: reads at most that many entries after a position, or from the beginning without one.
    func page<Entry: Encodable, Position: Codable>(
        of call: some PagedCall, position: (Entry) -> Position, find: (Position?, Int) async throws -> [Entry]
    ) async throws -> (entries: [Entry], next: String?) {
        let limit = try call.limit()
        let (entries, goesOn) = try await find(try self.position(Position.self, of: call), limit + 1).page(limit)
        return (entries, try goesOn ? entries.last.map { try token(position($0), of: call) } : nil)
    }

    /// The data that a token is bound to: the workspace, and the call without page fields.
    private func beginning<C: PagedCall>(of call: C) throws -> [UInt8] {
        var first = call
        (first.pageToken, first.pageSize) = (nil, nil)
        return Array("\(workspace.rawValue) \(C.method) ".utf8) + (try JSONEncoding.encode(first))
    }

    private static func text(of bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    /// Nil for any text that `text(of:)` can't produce.
    private static func bytes(of token: String) -> [UInt8]? {
        let padding = String(repeating: "=", count: (4 - token.utf8.count % 4) % 4)
        let bytes = Data(base64Encoded: token.replacing("-", with: "+").replacing("_", with: "/") + padding)
        return bytes.map(Array.init).flatMap { Array(text(of: $0).utf8) == Array(token.utf8) ? $0 : nil }
    }
}

extension PagedCall {
    /// The maximum number of entries on the page.
    func limit() throws -> Int {
        guard let pageSize else { return Limits.defaultPageSize.value }
        guard pageSize > 0 else { throw RPCError.invalid("page_size", .outOfRange, "must be at least 1") }
        return min(pageSize, Limits.maxPageSize.value)
    }
}

extension Array where Element: Encodable {
    /// One page of the found entries: as many as fit into a frame, and at least one. The input has one entry more than
    /// `limit` if the listing continues.
    ///
    /// - Parameter maxBytes: an upper bound of the bytes of an entry, so that entries that surely fit are not measured.
    func page(_ limit: Int, maxBytes: (Element) -> Int) throws -> (entries: Self, goesOn: Bool) {
        guard reduce(0, { $0 + maxBytes($1) }) > Limits.frame.value / 2 else {
            return (Self(prefix(limit)), count > limit)
        }
        return try page(limit)
    }

    /// One page of the found entries, each of which is measured.
    fileprivate func page(_ limit: Int) throws -> (entries: Self, goesOn: Bool) {
        var bytes = 0
        let fitting = try prefix(limit).prefix { entry in
            bytes += try JSONEncoding.encode(entry).count + 1
            return bytes <= Limits.frame.value / 4 * 3
        }
        let entries = Self(fitting.isEmpty ? prefix(1) : fitting)
        return (entries, entries.count < count)
    }
}
