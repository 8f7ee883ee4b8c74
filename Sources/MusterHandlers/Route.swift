import Locking
public import MusterProtocol
public import MusterStore

/// A call that was decoded and checked, ready to run. It keeps no reference to the bytes of the message.
public struct PreparedCall: Sendable {
    enum Work: Sendable {
        /// Runs in a task and returns the encoded reply.
        case task(@Sendable (CallContext) async throws -> [UInt8])
        /// Runs on an event loop, without a task.
        case direct(@Sendable (CallContext, any AnswerLoop, any ReplyReceiver) -> Void)
    }

    public let method: String
    /// The approximate maximum of its reply's bytes; 0 if the reply is always short.
    public let maxReplyBytes: Int
    let index: MethodIndex
    let work: Work

    init<C: Call>(_ call: C, _ index: MethodIndex, _ work: Work) {
        (self.index, self.work) = (index, work)
        method = C.method
        maxReplyBytes = call.maxReplyBytes
    }

    /// Whether `CallRouter.start` may run it.
    public var isDirect: Bool { if case .direct = work { true } else { false } }
}

/// One method and its handler. Erases the types of call and reply, and the wire.
///
/// A class, so that a call refers to its route instead of copying it.
public final class Route: Sendable {
    let method: String
    fileprivate let methodBytes: [UInt8]
    let index: MethodIndex
    /// Whether its first work queues for a turn to write.
    let writes: Bool
    let prepare: @Sendable (JSONValue) throws -> PreparedCall
    /// A `Handler` of the call that the route is for, for callers in a task.
    let handler: any Sendable

    typealias Handler<C: Call> = @Sendable (C, CallContext) async throws -> C.Reply

    /// Handles a call on an event loop, which it must not keep for long. It passes the result to `reply`, at most once
    /// and on the loop: before it returns, or later.
    public typealias DirectHandler<C: Call> =
        @Sendable (C, CallContext, any AnswerLoop, @escaping @Sendable (Result<C.Reply, any Error>) -> Void) -> Void

    /// A call with little computation beside its waits: it runs on its connection's event loop.
    public convenience init<C: Call>(
        _ call: C.Type, _ handle: @escaping @Sendable (C, CallContext) async throws -> C.Reply
    ) {
        self.init(call, handler: handle) { call in
            .task { context in try JSONEncoding.encode(try await handle(call, context)) }
        }
    }

    /// A call that may compute for a millisecond: it runs on the shared threads, so that it doesn't block the other
    /// calls of its event loop.
    public convenience init<C: Call>(
        heavy call: C.Type, _ handle: @escaping @Sendable (C, CallContext) async throws -> C.Reply
    ) {
        self.init(call, handler: handle) { call in .heavy(call, handle) }
    }

    /// A call that arrives often and is mostly answered from memory: it runs on its connection's event loop without a
    /// task, since a task costs more than such an answer.
    public convenience init<C: Call>(direct call: C.Type, _ handle: @escaping DirectHandler<C>) {
        let handler: Handler<C> = { call, context in
            try await OneShot.result { handle(call, context, SharedAnswerLoop.shared, $0) }
        }
        self.init(call, handler: handler) { call in .direct(call, handle) }
    }

    /// A direct call, except for those that `isDirect` rejects, which are heavy.
    public convenience init<C: Call>(
        direct _: C.Type, when isDirect: @escaping @Sendable (C) -> Bool, _ handle: @escaping DirectHandler<C>,
        heavyOtherwise heavy: @escaping @Sendable (C, CallContext) async throws -> C.Reply
    ) {
        let direct = Route(direct: C.self, handle)
        let handler: Handler<C> = { call, context in
            guard isDirect(call), let handle = direct.handler as? Handler<C> else {
                return try await heavy(call, context)
            }
            return try await handle(call, context)
        }
        self.init(C.self, handler: handler) { call in
            isDirect(call) ? .direct(call, handle) : .heavy(call, heavy)
        }
    }

    private init<C: Call>(
        _: C.Type, handler: @escaping Handler<C>, work: @escaping @Sendable (C) -> PreparedCall.Work
    ) {
        let index = MethodIndex(C.method)
        (method, methodBytes, self.index, self.handler) = (C.method, Array(C.method.utf8), index, handler)
        writes = C.self is any RecordedCall.Type
        prepare = { body in
            let call = try JSONDecoding.decode(call: C.self, from: body)
            return PreparedCall(call, index, work(call))
        }
    }
}

extension PreparedCall.Work {
    fileprivate static func heavy<C: Call>(
        _ call: C, _ handle: @escaping Route.Handler<C>
    ) -> Self {
        .task { context in
            try await withTaskExecutorPreference(globalConcurrentExecutor) {
                try JSONEncoding.encode(try await handle(call, context))
            }
        }
    }

    fileprivate static func direct<C: Call>(_ call: C, _ handle: @escaping Route.DirectHandler<C>) -> Self {
        .direct { context, loop, receiver in
            handle(call, context, loop) { result in
                switch result {
                case .success(let reply): receiver.succeed { bytes in try C.append(reply, to: &bytes) }
                case .failure(let error): receiver.fail(error)
                }
            }
        }
    }
}

/// The routes of a router by the bytes of their methods, so that finding one needs no `String`.
struct RouteTable: Sendable {
    /// A power of two, several times the number of routes.
    private static let slotCount = 256

    private var slots: [Route?] = Array(repeating: nil, count: slotCount)

    /// Of two routes for one method the first counts.
    init(_ routes: [Route]) {
        precondition(routes.count < Self.slotCount, "a free slot ends each search")
        for route in routes where self[route.method] == nil {
            var index = route.methodBytes.withUnsafeBytes { Self.index(of: $0) }
            while slots[index] != nil { index = (index + 1) % Self.slotCount }
            slots[index] = route
        }
    }

    var methods: Set<String> { Set(slots.compactMap { $0?.method }) }

    subscript(method: String) -> Route? {
        var method = method
        return method.withUTF8 { self[UnsafeRawBufferPointer($0)] }
    }

    subscript(method: UnsafeRawBufferPointer) -> Route? {
        var index = Self.index(of: method)
        while let route = slots[index] {
            if route.methodBytes.count == method.count, route.methodBytes.elementsEqual(method) { return route }
            index = (index + 1) % Self.slotCount
        }
        return nil
    }

    /// FNV-1a.
    private static func index(of method: UnsafeRawBufferPointer) -> Int {
        var hash: UInt32 = 0x811C_9DC5
        for byte in method { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
        return Int((hash ^ hash >> 16) % UInt32(slotCount))
    }
}
