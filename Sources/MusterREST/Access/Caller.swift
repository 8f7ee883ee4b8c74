import MusterHTTP
import MusterHandlers
import MusterProtocol

/// Who sends a request, proved by its key, and the calls that it may make.
struct Caller: Sendable {
    let session: Session
    /// When the key was proved to be live: it is not proved again while this is recent.
    let provedAt: ContinuousClock.Instant
    /// The name that the sender gave the request, or what is wrong with it.
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

    /// Sends a write under the name of the request: a repeat gets the recorded answer and has no second effect.
    func record<C: RecordedCall>(_ call: C) async throws -> C.Reply {
        var call = call
        call.requestID = try requestID
        return try await send(call)
    }

    /// The name of the request; nil where it has none. Throws an `HTTPProblem` with status 400 for an invalid one.
    var requestID: Identifier? { get throws { try idempotencyKey.get() } }

    /// Throws PERMISSION_DENIED if the key lacks this scope, which belongs to no call.
    func authorize(_ scope: String) throws(RPCError) { try router.authorize(scope, in: context) }
}
