import MusterHandlers
import MusterProtocol
import NIOConcurrencyHelpers

/// Turns secrets into sessions. It caches the session of a valid secret, and checks on each use that its key is still
/// live.
final class Authenticator: Sendable {
    /// Cached sessions. Beyond that the cache is emptied, which costs each key one read of its row.
    private static let maxSessions = 10_000

    private let router: CallRouter
    private let sessions = NIOLockedValueBox<[[UInt8]: Session]>([:])

    init(router: CallRouter) { self.router = router }

    /// The session of a secret, and when its key was last proved. Throws UNAUTHENTICATED unless it is a valid key.
    func session(
        for secret: String, deadline: ContinuousClock.Instant
    ) async throws(RPCError) -> (Session, provedAt: ContinuousClock.Instant) {
        guard let digest = try Self.digest(of: secret) else { throw Self.invalidKey }
        if let known = sessions.withLockedValue({ $0[digest] }),
            let provedAt = try await prove(known, digest, deadline: deadline)
        {
            return (known, provedAt)
        }
        // The key is new to this server, or has not been used for so long that it is no longer watched.
        let asked = ContinuousClock.now
        let (session, _) = try await router.run(OpenSession(key: secret), over: .rest, deadline: deadline)
        remember(session, of: digest)
        return (session, asked)
    }

    /// Nil for a key that is no longer watched. Requests that find their key's proof too old wait for the next poll
    /// together, so that no request reads the key's row by itself.
    private func prove(
        _ known: Session, _ digest: [UInt8], deadline: ContinuousClock.Instant
    ) async throws(RPCError) -> ContinuousClock.Instant? {
        do {
            if let proved = try router.prove(known) { return proved }
            return try await router.nextProof(of: known, deadline: deadline)
        } catch {
            if error.code == .unauthenticated { sessions.withLockedValue { $0[digest] = nil } }
            throw error
        }
    }

    private func remember(_ session: Session, of digest: [UInt8]) {
        sessions.withLockedValue { sessions in
            if sessions.count >= Self.maxSessions { sessions.removeAll() }
            sessions[digest] = session
        }
    }

    /// Nil for text that can't be a secret.
    private static func digest(of secret: String) throws(RPCError) -> [UInt8]? {
        do { return try Secret(secret)?.digest } catch {
            throw RPCError(.internal, "something went wrong in the server", cause: error)
        }
    }

    private static let invalidKey = RPCError(.unauthenticated, "the key is not valid")
}
