import Cryptography
public import MusterProtocol
public import MusterStore

/// Requests that are split into several calls, each in its own transaction. The sender's one request id covers all of
/// them.
public struct SplitRequests: Sendable {
    private let store: Store

    /// Uses the request records of this store.
    public init(store: Store) { self.store = store }

    /// Claims `id` for these calls. Returns them with request ids of their own, so that a repeat continues where the
    /// first attempt ended; nil if that attempt completed. Throws FAILED_PRECONDITION if the id was used with other
    /// content.
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

    /// Records that all calls were answered. From now on a repeat has no effect.
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
