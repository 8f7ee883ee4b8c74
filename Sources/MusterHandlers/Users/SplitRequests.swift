import Cryptography
public import MusterProtocol
public import MusterStore

/// Requests that come to several calls, each in a transaction of its own, and are one to their sender: her id stands
/// for all of it.
public struct SplitRequests: Sendable {
    private let store: Store

    /// Over the records of this store.
    public init(store: Store) { self.store = store }

    /// Takes `id` for these calls. Returns them with ids of their own, so that a repeat goes on where the first attempt
    /// ended; nil where that came to its end. Throws FAILED_PRECONDITION where the id was used with other content.
    public func begin<C: RecordedCall>(
        _ calls: [C], as id: Identifier, in session: Session, deadline: ContinuousClock.Instant
    ) async throws(RPCError) -> [C]? {
        do {
            let request = IdempotencyKey(method: C.method, requestID: id, digest: try Self.digest(of: calls))
            if try await store.in(WorkspaceScope(session.workspaceID, deadline: deadline)).requests.begin(request) {
                return nil
            }
        } catch { throw RPCError(handling: error) }
        let name: String
        do {
            name = try SHA256.digest(of: id.bytes).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        } catch { throw RPCError(handling: error) }
        return calls.enumerated().map { index, call in
            var call = call
            call.requestID = Identifier("\(name).\(index)")
            return call
        }
    }

    /// All calls are answered: a repeat has no effect from now on.
    public func end<C: RecordedCall>(
        _ calls: [C], as id: Identifier, in session: Session, deadline: ContinuousClock.Instant
    ) async throws(RPCError) {
        do {
            let request = IdempotencyKey(method: C.method, requestID: id, digest: try Self.digest(of: calls))
            try await store.in(WorkspaceScope(session.workspaceID, deadline: deadline)).requests.end(request)
        } catch { throw RPCError(handling: error) }
    }

    private static func digest(of calls: [some RecordedCall]) throws -> [UInt8] {
        try SHA256.digest(of: calls.flatMap(PayloadDigest.of))
    }
}
