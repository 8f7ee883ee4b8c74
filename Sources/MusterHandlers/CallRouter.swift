public import Logging
public import MusterProtocol
public import MusterStore

/// What a handler knows about the request beside the call itself. One for each call.
public struct CallContext: Sendable {
    public let session: Session
    /// Where the call's work is done, for whom, and until when.
    public let scope: WorkspaceScope
    /// After it nobody waits for the answer any more: nothing is started, and a running statement is cancelled.
    public let deadline: ContinuousClock.Instant
    /// How long to wait for each lock that another call holds; nil is what the server is set to.
    public let lockWait: Limit?
    /// When the session's key was proved to be live, if that was for this request: it is not proved again while recent.
    public let provedAt: ContinuousClock.Instant?

    public init(
        session: Session, deadline: ContinuousClock.Instant, lockWait: Limit? = nil,
        provedAt: ContinuousClock.Instant? = nil
    ) {
        self.session = session
        self.deadline = deadline
        self.lockWait = lockWait
        self.provedAt = provedAt
        scope = WorkspaceScope(of: session, lockWait: lockWait, deadline: deadline)
    }
}

/// A call that was read and checked, ready to run: nothing of it refers to the bytes it came from.
public struct PreparedCall: Sendable {
    public let method: String
    /// About as many bytes as its reply may have; 0 where it is always short.
    public let maxReplyBytes: Int
    let run: @Sendable (CallContext) async throws -> [UInt8]
}

/// One method and its handler, with the types between them and the wire forgotten.
public struct Route: Sendable {
    let method: String
    /// Whether it begins with work that waits for its turn to write.
    let writes: Bool
    let prepare: @Sendable (JSONValue) throws -> PreparedCall
    /// A `Handler` of the call that the route is for.
    let handler: any Sendable

    typealias Handler<C: Call> = @Sendable (C, CallContext) async throws -> C.Reply

    /// A call that computes little beside what it waits for: it runs on its connection's event loop.
    public init<C: Call>(_: C.Type, _ handle: @escaping @Sendable (C, CallContext) async throws -> C.Reply) {
        method = C.method
        writes = C.self is any RecordedCall.Type
        handler = handle
        prepare = { body in
            let call = try JSONDecoding.decode(request: C.self, from: body)
            return PreparedCall(method: C.method, maxReplyBytes: call.maxReplyBytes) { context in
                try JSONEncoding.encode(try await handle(call, context))
            }
        }
    }

    /// A call that may compute for a millisecond: it runs on the shared threads, so that the other calls of its event
    /// loop don't wait for it.
    public init<C: Call>(heavy _: C.Type, _ handle: @escaping @Sendable (C, CallContext) async throws -> C.Reply) {
        method = C.method
        writes = C.self is any RecordedCall.Type
        handler = handle
        prepare = { body in
            let call = try JSONDecoding.decode(request: C.self, from: body)
            return PreparedCall(method: C.method, maxReplyBytes: call.maxReplyBytes) { context in
                try await withTaskExecutorPreference(globalConcurrentExecutor) {
                    try JSONEncoding.encode(try await handle(call, context))
                }
            }
        }
    }
}

/// Finds the handler of a call, keeps the rules that hold for every call, and turns whatever goes wrong into an
/// `RPCError`.
public final class CallRouter: Sendable {
    public typealias Open =
        @Sendable (OpenSession, ContinuousClock.Instant) async throws -> (Session, OpenSession.Reply)
    /// Why new work of this scope that writes would be refused now; nil where it would not.
    public typealias Overload = @Sendable (WorkspaceScope) -> (any Error)?
    /// When a session's key was last proved to be live; nil if that is too long ago. Throws if the key has ended.
    public typealias Prove = @Sendable (Session) throws(RPCError) -> ContinuousClock.Instant?

    private let routes: [String: Route]
    private let open: Open
    private let proof: Prove
    private let overload: Overload
    private let lockWait: Limit
    private let logger: Logger
    /// What its calls came to.
    public let metrics = CallMetrics()
    /// What each key has in flight, over all listeners that use this router.
    public let keysInFlight: KeysInFlight

    /// - Parameters:
    ///   - open: judges a key.
    ///   - prove: when a session's key was last proved; asked before every call, so it answers from memory.
    ///   - overload: asked before a call that writes is read, so that one which has to be refused costs little.
    ///   - lockWait: how long the database waits for each lock, where the request doesn't say.
    ///   - maxInFlightPerKey: requests of one key in flight; one more is refused by the listener that it came to.
    public init(
        routes: [Route], open: @escaping Open, prove: @escaping Prove,
        overload: @escaping Overload = { _ in nil }, lockWait: Limit = Limits.lockWait,
        maxInFlightPerKey: Int = Limits.requestsInFlightPerKey.value,
        logger: Logger
    ) {
        self.routes = Dictionary(routes.map { ($0.method, $0) }) { first, _ in first }
        self.open = open
        proof = prove
        self.overload = overload
        self.lockWait = lockWait
        keysInFlight = KeysInFlight(maxPerKey: maxInFlightPerKey)
        self.logger = logger
    }

    /// The methods that have a handler, `session.open` among them.
    public var methods: Set<String> { Set(routes.keys).union([OpenSession.method]) }

    /// Reads the body of `session.open`.
    public func prepareOpen(body: JSONValue) throws(RPCError) -> OpenSession {
        do { return try JSONDecoding.decode(request: OpenSession.self, from: body) } catch {
            throw RPCError(reading: error)
        }
    }

    /// Judges the key of `session.open`; the reply is the encoded body.
    public func run(
        _ call: OpenSession, over wire: Wire = .rpc, deadline: ContinuousClock.Instant
    ) async throws(RPCError) -> (Session, [UInt8]) {
        let started = begin(wire)
        do {
            let (session, reply) = try await open(call, deadline)
            end(OpenSession.method, wire, keyID: session.keyID, started: started, failure: nil)
            return (session, try JSONEncoding.encode(reply))
        } catch {
            let failure = RPCError(handling: error)
            end(OpenSession.method, wire, keyID: nil, started: started, failure: failure)
            throw failure
        }
    }

    /// Reads a call. Synchronous, so that the body's bytes need not outlive it.
    ///
    /// - Parameters:
    ///   - session: what it came over.
    ///   - deadline: when nobody waits for the answer any more.
    public func prepare(
        method: String, body: JSONValue, over session: Session, deadline: ContinuousClock.Instant
    ) throws(RPCError) -> PreparedCall {
        guard let route = routes[method] else {
            metrics.refused(method, .rpc, .unimplemented)
            throw RPCError(.unimplemented, .unknownMethod, "there is no method of this name; see the list of calls")
        }
        do {
            if route.writes, let error = overload(WorkspaceScope(of: session, deadline: deadline)) {
                throw RPCError(handling: error)
            }
            return try route.prepare(body)
        } catch {
            let failure = RPCError(reading: error)
            metrics.refused(method, .rpc, failure.code)
            throw failure
        }
    }

    /// Runs a call; the reply is the encoded body.
    public func run(_ call: PreparedCall, in context: CallContext) async throws(RPCError) -> [UInt8] {
        try await supervise(call.method, .rpc, in: context) { try await call.run(context) }
    }

    /// Runs a call that didn't come over the RPC's wire. On the caller's threads: call it from a task of no event loop.
    public func answer<C: Call>(_ call: C, in context: CallContext) async throws(RPCError) -> C.Reply {
        try await supervise(C.method, .rest, in: context) { [routes] in
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
    /// key has ended: for callers that must know this before there is a call to run.
    public func prove(_ session: Session) throws(RPCError) -> ContinuousClock.Instant? { try proof(session) }

    /// Keeps the same rules for what is no call: throws where the session's key has ended, or lacks the scope. A
    /// refusal is counted, since no call comes after it.
    public func authorize(_ scope: String, in context: CallContext) throws(RPCError) {
        do { try admit(scope, context) } catch {
            metrics.refused(scope, .rest, error.code)
            throw error
        }
    }

    private func admit(_ scope: String, _ context: CallContext) throws(RPCError) {
        guard .now < context.deadline else {
            throw RPCError(.deadlineExceeded, "the deadline passed before the call was started")
        }
        guard context.session.allows(scope) else {
            throw RPCError(.permissionDenied, .missingScope, "this key lacks the scope \(scope)")
        }
        if let proved = context.provedAt, .now - proved <= KeyRevocationMonitor.maxAge { return }
        guard try proof(context.session) != nil else { throw KeyRevocationMonitor.unproved }
    }

    /// The rules that hold for every call.
    private func supervise<R>(
        _ method: String, _ wire: Wire, in context: CallContext, _ work: () async throws -> R
    ) async throws(RPCError) -> R {
        let started = begin(wire)
        do {
            try admit(method, context)
            let reply = try await work()
            end(method, wire, keyID: context.session.keyID, started: started, failure: nil)
            return reply
        } catch {
            let failure = RPCError(handling: error, lockWait: context.lockWait ?? lockWait)
            end(method, wire, keyID: context.session.keyID, started: started, failure: failure)
            throw failure
        }
    }

    private func begin(_ wire: Wire) -> ContinuousClock.Instant {
        metrics.began(wire)
        return .now
    }

    private func end(
        _ method: String, _ wire: Wire, keyID: String?, started: ContinuousClock.Instant, failure: RPCError?
    ) {
        metrics.ended(method, wire, after: .now - started, failure?.code)
        log(method, keyID: keyID, started: started, failure: failure)
    }

    private func log(_ method: String, keyID: String?, started: ContinuousClock.Instant, failure: RPCError?) {
        let level: Logger.Level = failure.map { $0.isOurFault ? .error : .debug } ?? .debug
        guard logger.logLevel <= level else { return }
        var metadata: Logger.Metadata = [
            "method": "\(method)", "us": .stringConvertible((ContinuousClock.now - started) / .microseconds(1)),
        ]
        if let keyID { metadata["key"] = "\(keyID)" }
        if let failure {
            metadata["code"] = "\(failure.code.rawValue)"
            if let cause = failure.cause { metadata["cause"] = "\(cause)" }
        }
        logger.log(level: level, "Request done", metadata: metadata)
    }
}

extension WorkspaceScope {
    /// The scope of a call that comes over `session`.
    fileprivate init(of session: Session, lockWait: Limit? = nil, deadline: ContinuousClock.Instant) {
        self.init(
            session.workspaceID, keyID: session.keyID, lockWait: lockWait.map { .milliseconds($0.value) },
            deadline: deadline)
    }
}
