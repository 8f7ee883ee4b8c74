import MusterHTTP
import MusterHandlers
import MusterProtocol

/// The authenticated sender of a request, and the calls that it may make.
struct Caller: Sendable {
    let session: Session
    /// When the key was proved to be live; it is not proved again while this is recent.
    let provedAt: ContinuousClock.Instant
    /// The idempotency key that the sender gave the request, or the error if it is invalid.
    let idempotencyKey: Result<Identifier?, any Error>
    let router: CallRouter
    let incoming: IncomingRequest

    private var context: CallContext {
        CallContext(
            session: session, deadline: incoming.deadline(Limits.restTime), lockWait: Limits.restLockWait,
            provedAt: provedAt)
    }

    /// Sends a call. Throws the `RPCError` of the call: `ErrorMiddleware` turns it into a response.
    func send<C: Call>(_ call: C) async throws(RPCError) -> C.Reply { try await router.answer(call, in: context) }

    /// Sends a write under the request's idempotency key: a repeat gets the recorded answer and has no second effect.
    func record<C: RecordedCall>(_ call: C) async throws -> C.Reply {
        var call = call
        call.requestID = try requestID
        return try await send(call)
    }

    /// The request's idempotency key; nil without one. Throws an `HTTPProblem` with status 400 if it is invalid.
    var requestID: Identifier? { get throws { try idempotencyKey.get() } }

    /// Throws PERMISSION_DENIED if the key lacks this scope. Used for scopes that belong to no call.
    func authorize(_ scope: String) async throws(RPCError) { try await router.authorize(scope, in: context) }
}
