public import Logging
public import MusterProtocol
public import MusterStore

/// Finds the handler of a call, enforces the rules common to all calls, and maps every error to an `RPCError`.
public final class CallRouter: Sendable {
    public typealias Open =
        @Sendable (OpenSession, ContinuousClock.Instant) async throws -> (Session, OpenSession.Reply)
    /// The error with which new writes of this scope are refused now; nil if they are accepted.
    public typealias Overload = @Sendable (WorkspaceScope) -> (any Error)?
    /// When a session's key was last proved to be live, at this time of the clock; nil if that is too long ago. Throws
    /// if the key has ended.
    public typealias Prove =
        @Sendable (Session, ContinuousClock.Instant) throws(RPCError) -> ContinuousClock.Instant?

    /// Waits until a session's key is proved, and returns when; nil for a key that nothing watches. Throws if it has
    /// ended or can't be proved by the deadline.
    public typealias NextProof =
        @Sendable (Session, ContinuousClock.Instant) async throws(RPCError) -> ContinuousClock.Instant?

    /// Whether a session's key is known to have ended, by memory alone.
    public typealias HasEnded = @Sendable (Session) -> Bool

    private let routes: RouteTable
    private let open: Open
    private let proof: Prove
    private let nextProof: NextProof
    private let hasEnded: HasEnded
    private let overload: Overload
    private let lockWait: Limit
    private let logger: Logger
    private let logsCalls: Bool
    /// The metrics of the calls that this router ran.
    public let metrics = CallMetrics()
    /// The requests that each key has in flight, over all listeners that use this router.
    public let keysInFlight: KeysInFlight

    /// - Parameters:
    ///   - open: authenticates a key.
    ///   - prove: returns when a session's key was last proved. Called before every call, so it answers from memory.
    ///   - nextProof: waits for a proof, when `prove` has none that is recent.
    ///   - hasEnded: called before a call whose request proved the key.
    ///   - overload: called before a writing call is decoded, so that a refusal costs little.
    ///   - lockWait: the longest wait for each database lock, if the request sets none.
    ///   - maxInFlightPerKey: the maximum of requests in flight per key. The listener refuses others.
    public init(
        routes: [Route], open: @escaping Open, prove: @escaping Prove,
        nextProof: @escaping NextProof = { (_, _) throws(RPCError) in nil },
        hasEnded: @escaping HasEnded = { _ in false },
        overload: @escaping Overload = { _ in nil }, lockWait: Limit = Limits.lockWait,
        maxInFlightPerKey: Int = Limits.requestsInFlightPerKey.value,
        logger: Logger
    ) {
        self.routes = RouteTable(routes)
        self.open = open
        proof = prove
        self.nextProof = nextProof
        self.hasEnded = hasEnded
        self.overload = overload
        self.lockWait = lockWait
        keysInFlight = KeysInFlight(maxPerKey: maxInFlightPerKey)
        self.logger = logger
        logsCalls = logger.logLevel <= .debug
    }

    /// The methods with a handler, including `session.open`.
    public var methods: Set<String> { routes.methods.union([OpenSession.method]) }

    /// Decodes the body of `session.open`.
    public func prepareOpen(body: JSONValue) throws(RPCError) -> OpenSession {
        do { return try JSONDecoding.decode(request: OpenSession.self, from: body) } catch {
            throw RPCError(reading: error)
        }
    }

    /// Authenticates the key of `session.open`. The reply is the encoded body.
    public func run(
        _ call: OpenSession, over wire: Wire = .rpc, deadline: ContinuousClock.Instant
    ) async throws(RPCError) -> (Session, [UInt8]) {
        let started = begin(wire)
        do {
            let (session, reply) = try await open(call, deadline)
            end(OpenSession.method, .open, wire, keyID: session.keyID, started: started, failure: nil)
            return (session, try JSONEncoding.encode(reply))
        } catch {
            let failure = RPCError(handling: error)
            end(OpenSession.method, .open, wire, keyID: nil, started: started, failure: failure)
            throw failure
        }
    }

    /// Decodes a call. Synchronous, so that the body's bytes need not outlive it.
    ///
    /// - Parameters:
    ///   - session: the session of the call.
    ///   - milliseconds: how long the caller waits for the response; nil is the default.
    public func prepare(
        method: String, body: JSONValue, over session: Session, deadlineMilliseconds milliseconds: Int64?
    ) throws(RPCError) -> PreparedCall {
        guard let route = routes[method] else {
            metrics.refused(method, .rpc, .unimplemented)
            throw RPCError(.unimplemented, .unknownMethod, "there is no method of this name; see the list of calls")
        }
        return try prepare(route, body, session, milliseconds)
    }

    /// Decodes the call of a request in its plain form; nil if there is no method of its name.
    public func prepare(_ request: PlainRequest, over session: Session) throws(RPCError) -> PreparedCall? {
        guard let route = routes[request.method] else { return nil }
        return try prepare(route, request.body, session, request.deadlineMilliseconds)
    }

    private func prepare(
        _ route: Route, _ body: JSONValue, _ session: Session, _ milliseconds: Int64?
    ) throws(RPCError) -> PreparedCall {
        do {
            if route.writes {
                let deadline = ContinuousClock.now + Self.patience(milliseconds)
                if let error = overload(WorkspaceScope(of: session, deadline: deadline)) {
                    throw RPCError(handling: error)
                }
            }
            return try route.prepare(body)
        } catch {
            let failure = RPCError(reading: error)
            metrics.refused(route.method, .rpc, failure.code)
            throw failure
        }
    }

    /// How long the sender of a request waits, from the milliseconds that it gave.
    public static func patience(_ milliseconds: Int64?) -> Duration {
        .milliseconds(min(milliseconds ?? Int64(Limits.defaultDeadline.value), Int64(Limits.maxDeadline.value)))
    }

    /// Runs a call; the reply is the encoded body.
    ///
    /// - Parameter loop: where a direct call is answered.
    public func run(
        _ call: PreparedCall, in context: CallContext, on loop: any AnswerLoop
    ) async throws(RPCError) -> [UInt8] {
        try await supervise(call.method, call.index, .rpc, in: context) { try await call.run(in: context, on: loop) }
    }

    /// Runs a call that didn't come over the RPC wire, on the caller's threads. Don't call it from an event loop.
    public func answer<C: Call>(_ call: C, in context: CallContext) async throws(RPCError) -> C.Reply {
        try await supervise(C.method, MethodIndex(C.method), .rest, in: context) { [routes] in
            guard let handle = routes[C.method]?.handler as? Route.Handler<C> else {
                throw RPCError(.unimplemented, .unknownMethod, "there is no handler of \(C.method)")
            }
            return try await handle(call, context)
        }
    }

    /// Counts a request that a listener refuses.
    ///
    /// - Parameter method: nil if its body could not be parsed.
    public func refused(_ code: RPCCode, over wire: Wire, method: String? = nil) {
        metrics.refused(method ?? "", wire, code)
    }

    /// When the session's key was last proved to be live; nil if that is too long ago. Throws UNAUTHENTICATED if the
    /// key has ended. For callers that check this before there is a call to run.
    public func prove(_ session: Session) throws(RPCError) -> ContinuousClock.Instant? { try proof(session, .now) }

    /// Waits until the session's key is proved; nil for a key that nothing watches.
    public func nextProof(
        of session: Session, deadline: ContinuousClock.Instant
    ) async throws(RPCError) -> ContinuousClock.Instant? {
        try await nextProof(session, deadline)
    }

    /// Enforces the same rules for a request that is not a call: throws if the session's key has ended or lacks the
    /// scope. Counts a refusal, since no call follows it.
    public func authorize(_ scope: String, in context: CallContext) async throws(RPCError) {
        do { try await admit(scope, nil, context) } catch {
            metrics.refused(scope, .rest, error.code)
            throw error
        }
    }

    private func admit(
        _ scope: String, _ index: MethodIndex? = nil, _ context: CallContext
    ) async throws(RPCError) {
        let now = ContinuousClock.now
        try requirePermission(scope, index, in: context, at: now)
        if try isProved(context, at: now) { return }
        guard try await nextProof(context.session, context.deadline) != nil else {
            throw KeyRevocationMonitor.unproved
        }
    }

    /// Throws if the deadline has passed, or if the session's key lacks the scope.
    ///
    /// - Parameter index: of the method that the scope is the name of; nil if it is another scope.
    func requirePermission(
        _ scope: String, _ index: MethodIndex?, in context: CallContext, at now: ContinuousClock.Instant
    ) throws(RPCError) {
        guard now < context.deadline else {
            throw RPCError(.deadlineExceeded, "the deadline passed before the call was started")
        }
        guard index.map({ context.session.allows(scope, $0) }) ?? context.session.allows(scope) else {
            throw RPCError(.permissionDenied, .missingScope, "this key lacks the scope \(scope)")
        }
    }

    /// Whether the session's key has a recent proof, from memory. Throws if the key has ended.
    func isProved(_ context: CallContext, at now: ContinuousClock.Instant) throws(RPCError) -> Bool {
        if let proved = context.provedAt, now - proved <= KeyRevocationMonitor.maxAge {
            // It may have ended since the request proved it.
            guard !hasEnded(context.session) else { throw SessionHandlers.refusal }
            return true
        }
        return try proof(context.session, now) != nil
    }

    /// Enforces the rules that hold for every call.
    private func supervise<R>(
        _ method: String, _ index: MethodIndex, _ wire: Wire, in context: CallContext, _ work: () async throws -> R
    ) async throws(RPCError) -> R {
        let started = begin(wire)
        do {
            try await admit(method, index, context)
            let reply = try await work()
            end(method, index, wire, keyID: context.session.keyID, started: started, failure: nil)
            return reply
        } catch {
            let failure = self.error(of: error, in: context)
            end(method, index, wire, keyID: context.session.keyID, started: started, failure: failure)
            throw failure
        }
    }

    /// The error for the caller.
    func error(of error: any Error, in context: CallContext) -> RPCError {
        RPCError(handling: error, lockWait: context.lockWait ?? lockWait)
    }

    private func begin(_ wire: Wire) -> ContinuousClock.Instant {
        metrics.began(wire)
        return .now
    }

    private func end(
        _ method: String, _ index: MethodIndex, _ wire: Wire, keyID: String?, started: ContinuousClock.Instant,
        failure: RPCError?
    ) {
        ended(method, index, wire, keyID: keyID, time: .now - started, failure: failure)
    }

    func ended(
        _ method: String, _ index: MethodIndex, _ wire: Wire, keyID: String?, time: Duration, failure: RPCError?
    ) {
        metrics.ended(index, wire, after: time, failure?.code)
        if logsCalls || failure != nil { log(method, keyID: keyID, time, failure) }
    }

    private func log(_ method: String, keyID: String?, _ time: Duration, _ failure: RPCError?) {
        let level: Logger.Level = failure.map { $0.isOurFault ? .error : .debug } ?? .debug
        guard logger.logLevel <= level else { return }
        var metadata: Logger.Metadata = [
            "method": "\(method)", "us": .stringConvertible(time / .microseconds(1)),
        ]
        if let keyID { metadata["key"] = "\(keyID)" }
        if let failure {
            metadata["code"] = "\(failure.code.rawValue)"
            if let cause = failure.cause { metadata["cause"] = "\(cause)" }
        }
        logger.log(level: level, "Request done", metadata: metadata)
    }
}
