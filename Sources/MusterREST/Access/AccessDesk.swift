import MusterHandlers
import MusterProtocol
import NIOConcurrencyHelpers

/// Turns secrets into sessions. A secret that was good once is remembered; whether its key still is, the router is asked each time.
final class AccessDesk: Sendable {
    /// Sessions that are remembered; beyond, all are forgotten, which costs each key one look-up.
    private static let most = 10_000

    private let router: CallRouter
    private let sessions = NIOLockedValueBox<[[UInt8]: Session]>([:])

    init(router: CallRouter) { self.router = router }

    /// The session of a secret. Throws UNAUTHENTICATED for what is no good key. Whose key is good is no stranger from then on.
    func session(for secret: String, deadline: ContinuousClock.Instant) async throws(RPCError) -> Session {
        let session = try await judge(secret, deadline: deadline)
        IncomingRequest.current?.callerIsAuthenticated()
        return session
    }

    private func judge(_ secret: String, deadline: ContinuousClock.Instant) async throws(RPCError) -> Session {
        guard let digest = try Self.digest(of: secret) else { throw Self.refusal }
        if let known = sessions.withLockedValue({ $0[digest] }) {
            // Before anything else of the request is judged: an ended key must not learn whether its request was good.
            do { try await router.prove(known, deadline: deadline) } catch {
                forget(digest, after: error)
                throw error
            }
            return known
        }
        let (session, _) = try await router.run(OpenSession(key: secret), over: .rest, deadline: deadline)
        sessions.withLockedValue { sessions in
            if sessions.count >= Self.most { sessions.removeAll() }
            sessions[digest] = session
        }
        return session
    }

    /// Runs a call as the owner of a secret whose session was given out here.
    func answer<C: Call>(
        _ call: C, as session: Session, secret: String, deadline: ContinuousClock.Instant
    ) async throws(RPCError) -> C.Reply {
        do {
            return try await router.answer(
                call,
                in: CallContext(session: session, deadline: deadline, lockWait: Limits.restLockWait))
        } catch {
            if let digest = try? Secret(secret)?.digest { forget(digest, after: error) }
            throw error
        }
    }

    /// Nil for what can't be a secret.
    private static func digest(of secret: String) throws(RPCError) -> [UInt8]? {
        do { return try Secret(secret)?.digest } catch {
            throw RPCError(.internal, "something went wrong in the server", cause: error)
        }
    }

    /// Its key has ended: a later request is judged from the beginning.
    private func forget(_ digest: [UInt8], after error: RPCError) {
        guard error.code == .unauthenticated else { return }
        sessions.withLockedValue { $0[digest] = nil }
    }

    /// Throws where a key has ended or lacks a scope.
    func authorize(
        _ scope: String, as session: Session, deadline: ContinuousClock.Instant
    ) async throws(RPCError) {
        try await router.authorize(scope, in: CallContext(session: session, deadline: deadline))
    }

    /// Of all that is no good key.
    static let refusal = RPCError(.unauthenticated, "the key is not valid")
}
