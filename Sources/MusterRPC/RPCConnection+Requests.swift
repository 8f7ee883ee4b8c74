import MusterHandlers
import MusterListener
import MusterProtocol
import NIOCore
import NIOPosix
import Synchronization

extension RPCConnection {
    func take(_ incoming: Incoming, arrived: ContinuousClock.Instant) {
        switch incoming {
        case .request(let request):
            uncancelledRequests += 1
            begin(request, arrived: arrived)
        case .cancel(let id): cancel(id)
        case .ping(let number):
            outbox.append(pong: number)
            flushSoon()
            countAgainstFlood()
        case .pong:
            timers.pingSent = nil
            countAgainstFlood()
        case .large(let bytes): readElsewhere(bytes, arrived)
        case .wrong(let id, let error): refuse(id, error)
        }
    }

    // MARK: Beginning

    func begin(_ request: Incoming.Call, arrived: ContinuousClock.Instant) {
        guard !inFlight.contains(request.id) else {
            // With two requests of one id, one of the two callers would take the other's reply for its own.
            return fail(
                RPCError(
                    .invalidArgument, .conflict, field: "id", "the id is that of a request in flight"), id: request.id)
        }
        timers.lastRequest = arrived
        guard !isClosing else {
            return refuse(request, RPCError(.unavailable, "the server is going away"))
        }
        lastID = max(lastID, request.id)
        let deadline = arrived + CallRouter.patience(request.deadlineMilliseconds)
        switch request.work {
        case .call(let call) where phase == .open: start(request.id, call, deadline)
        case .open(let call) where phase == .unopened: open(request.id, call, deadline)
        case .refused(let error) where phase == .unopened: fail(error, id: request.id)
        case .refused(let error): reply(request.id, error)
        case .open, .call: reply(request.id, RPCError(.internal, "the connection is in no state for the call"))
        }
    }

    private func start(_ id: Int64, _ call: PreparedCall, _ deadline: ContinuousClock.Instant) {
        guard let (session, count) = opened else { return }
        guard count.acquire() else {
            let refusal = server.router.keysInFlight.refusal
            server.router.refused(refusal.code, over: .rpc, method: call.method)
            return reply(id, refusal)
        }
        let context = CallContext(session: session, deadline: deadline, startedAt: now)
        guard !startDirectly(id, call, context, count) else { return }
        let (router, loop) = (server.router, eventLoop)
        let (answers, room) = (answers, Self.room(for: call))
        run(id, deadline) { () async throws(RPCError) in
            do { if room > 0 { try await answers.promise(room, group: ObjectIdentifier(count)) } } catch {
                let code: RPCCode = .now < deadline ? .cancelled : .deadlineExceeded
                let refusal = RPCError(code, "the call ended before there was room for its answer")
                router.refused(refusal.code, over: .rpc, method: call.method)
                return Worked(result: .failure(refusal), promised: 0)
            }
            do throws(RPCError) {
                return Worked(result: .success(try await router.run(call, in: context, on: loop)), promised: room)
            } catch { return Worked(result: .failure(error), promised: room) }
        } then: { me, outcome in
            guard case .success(let worked) = outcome else { return }
            count.release()
            me.finish(id, worked)
        }
    }

    /// The result of a call, and the bytes of the budget that were promised for its reply.
    private struct Worked: Sendable {
        let result: Result<[UInt8], RPCError>
        let promised: Int
    }

    /// The bytes to reserve while a reply is made; 0 for a short one.
    static func room(for call: PreparedCall) -> Int {
        let bytes = min(call.maxReplyBytes, Limits.frame.value)
        return bytes < 64 << 10 ? 0 : bytes
    }

    /// The only place where tasks begin. They are unstructured, since a request belongs to its connection, which is not
    /// a task: the connection keeps each in `inFlight`, cancels it on close, and counts it until it ends.
    private func run<R: Sendable>(
        _ id: Int64, _ deadline: ContinuousClock.Instant, _ work: @escaping @Sendable () async throws(RPCError) -> R,
        then finish: @escaping @Sendable (RPCConnection, Result<R, RPCError>) -> Void
    ) {
        guard let loop = context?.eventLoop else { return }
        let me = NIOLoopBound(self, eventLoop: loop)
        server.running.add(1, ordering: .relaxed)
        let task = Task(executorPreference: eventLoop.executor) {
            let result: Result<R, RPCError>
            do throws(RPCError) { result = .success(try await work()) } catch { result = .failure(error) }
            me.value.server.running.subtract(1, ordering: .relaxed)
            finish(me.value, result)  // on the loop, since the loop is the task's executor
        }
        inFlight.add(id, .init(task: task, deadline: deadline))
        wakeAt(deadline)
    }

    // MARK: Ending

    private func finish(_ id: Int64, _ worked: Worked) {
        if let entry = inFlight.remove(id), entry.answer == nil {
            switch worked.result {
            case .success(let body): outbox.append(replyTo: id, body: body)
            case .failure(let error): outbox.append(replyTo: id, error: error)
            }
        }
        settle(worked.promised)
        requestEnded()
    }

    /// Returns what was promised for a reply that was made.
    func settle(_ promised: Int) {
        guard promised > 0 else { return }
        countUnread()  // before the promise is given back, so that it is always one of the two
        answers.settle(promised)
    }

    /// Sends the reply, and lets another request begin. In a batch of answers this is done at its end.
    func requestEnded() {
        guard context != nil else { return leaveKeyIfIdle() }
        guard !state.isInBatch else {
            if !isInBatch { state.add(self) }
            isInBatch = true
            return
        }
        flushSoon()
        takeFrames()
        if isClosing { endIfIdle() }
    }

    /// The end of a batch of answers, some of which were for this connection.
    func batchEnded() {
        defer { isInBatch = false }
        guard context != nil else { return leaveKeyIfIdle() }
        takeFrames()
        if isClosing { endIfIdle() }
        flush()
    }

    func reply(_ id: Int64, _ error: RPCError) {
        outbox.append(replyTo: id, error: error)
        flushSoon()
    }

    /// Refuses a valid request that can't begin now.
    private func refuse(_ request: Incoming.Call, _ error: RPCError) {
        if case .call(let call) = request.work { server.router.refused(error.code, over: .rpc, method: call.method) }
        reply(request.id, error)
    }

    /// A request may be cancelled once, since its caller can't know whether the reply is on its way. Cancels beyond the
    /// number of requests count as flood.
    private func cancel(_ id: Int64) {
        if uncancelledRequests > 0 { uncancelledRequests -= 1 } else { countAgainstFlood() }
        guard inFlight.cancel(id) else { return }
        reply(id, RPCError(.cancelled, "the caller cancelled the call"))
    }

    /// Refuses an invalid message whose end is known: the connection can go on if the reply can name the message by its
    /// id.
    private func refuse(_ id: Int64?, _ error: RPCError) {
        guard let id, !inFlight.contains(id) else { return fail(error, id: 0) }
        guard isOpen else { return fail(error, id: id) }
        reply(id, error)
        countAgainstFlood()
    }

    private func countAgainstFlood() {
        guard flood.overflows() else { return }
        goAway("too many cancels, pings or wrong messages")
        end()
    }

    // MARK: session.open

    private func open(_ id: Int64, _ call: OpenSession, _ deadline: ContinuousClock.Instant) {
        phase = .opening
        let router = server.router
        let deadline = min(deadline, created + server.bounds.open)
        run(id, deadline) { () async throws(RPCError) in
            try await router.run(call, deadline: deadline)
        } then: { me, result in
            me.opened(id, result)
        }
    }

    private func opened(_ id: Int64, _ result: Result<(Session, [UInt8]), RPCError>) {
        guard let entry = inFlight.remove(id), entry.answer == nil, phase == .opening else { return end() }
        switch result {
        case .success((let session, let body)):
            outbox.append(replyTo: id, body: body)
            phase = .open
            opened = (session, server.router.keysInFlight.enter(session))
            counted = session
            server.connections.authenticated(self)
            decoder.limit = Limits.frame
            requestEnded()
        case .failure(let error):
            fail(error, id: id)
        }
    }

    func leaveKeyIfIdle() {
        guard let session = counted, inFlight.count == inFlight.reading else { return }
        counted = nil
        server.router.keysInFlight.leave(session)
    }

    // MARK: Large messages

    private func readElsewhere(_ bytes: [UInt8], _ arrived: ContinuousClock.Instant) {
        guard let loop = context?.eventLoop else { return }
        inFlight.beginReading()
        uncancelledRequests += 1  // its cancel may come before it is read
        timers.hadLargeFrame = true
        let (reader, session) = (server.reader, session)
        NIOThreadPool.singleton.runIfActive(eventLoop: loop) {
            reader.incoming(over: session) { body in
                try bytes.withUnsafeBytes { try JSONReaders.shared.read($0, body) }
            }
        }.assumeIsolated().whenComplete { result in
            self.wasRead(result, arrived)
        }
    }

    private func wasRead(_ result: Result<Incoming, any Error>, _ arrived: ContinuousClock.Instant) {
        guard case .success(let incoming) = result else {
            _ = inFlight.endReading(nil)
            return fail(RPCError(.internal, "the message could not be read"), id: 0)
        }
        guard case .request(let request) = incoming else {
            _ = inFlight.endReading(nil)
            if isOpen { take(incoming, arrived: arrived) }
            return requestEnded()
        }
        let wasCancelled = inFlight.endReading(request.id)
        now = .now
        if wasCancelled {
            reply(request.id, RPCError(.cancelled, "the caller cancelled the call"))
        } else if isOpen {
            begin(request, arrived: arrived)
        }
        requestEnded()
    }
}
