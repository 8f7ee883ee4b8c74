import Locking
public import MusterProtocol
public import MusterStore

/// Where direct calls are answered. Listeners provide one for each of their event loops.
public typealias AnswerLoop = MusterStore.AnswerLoop

/// Takes the result of a direct call, on the loop that the call was started with. The first result counts.
public protocol ReplyReceiver: AnyObject, Sendable {
    /// - Parameter write: appends the JSON of the reply; called at most once, before this returns.
    func succeed(_ write: (inout [UInt8]) throws -> Void)
    func fail(_ error: any Error)
}

extension CallRouter {
    /// Starts a direct call, on its loop. Enforces the same rules as `run` and counts the same. Pass the end of the
    /// call to `ended`.
    ///
    /// - Returns: false, without any effect, if the call must `run` in a task: it is of another kind, or its key has no
    ///   recent proof to go by.
    public func start(
        _ call: PreparedCall, in context: CallContext, on loop: any AnswerLoop, for receiver: any ReplyReceiver
    ) -> Bool {
        guard case .direct(let work) = call.work else { return false }
        do throws(RPCError) {
            try requirePermission(call.method, call.index, in: context, at: context.startedAt)
            guard try isProved(context, at: context.startedAt) else { return false }
        } catch {
            metrics.began(.rpc)
            receiver.fail(error)
            return true
        }
        metrics.began(.rpc)
        work(context, loop, receiver)
        return true
    }

    /// Counts and logs the end of a call that `start` has started.
    ///
    /// - Returns: the error for the caller; nil if the call succeeded.
    @discardableResult
    public func ended(
        _ call: PreparedCall, in context: CallContext, at now: ContinuousClock.Instant, failure: (any Error)?
    ) -> RPCError? {
        let failure = failure.map { error(of: $0, in: context) }
        ended(
            call.method, call.index, .rpc, keyID: context.session.keyID, time: now - context.startedAt, failure: failure
        )
        return failure
    }
}

extension PreparedCall {
    /// Runs the call in the current task, and returns the encoded reply.
    ///
    /// - Parameter loop: where a direct call is answered.
    func run(in context: CallContext, on loop: any AnswerLoop) async throws -> [UInt8] {
        switch work {
        case .task(let run): try await run(context)
        case .direct(let work):
            try await OneShot.result { reply in work(context, loop, AwaitedReply(reply)) }
        }
    }
}

/// Encodes the reply of a direct call for the task that waits for it.
private final class AwaitedReply: ReplyReceiver {
    private let reply: @Sendable (Result<[UInt8], any Error>) -> Void

    init(_ reply: @escaping @Sendable (Result<[UInt8], any Error>) -> Void) { self.reply = reply }

    func succeed(_ write: (inout [UInt8]) throws -> Void) {
        reply(
            Result {
                var bytes: [UInt8] = []
                try write(&bytes)
                return bytes
            })
    }

    func fail(_ error: any Error) { reply(.failure(error)) }
}

/// Makes the answers of direct calls that are awaited in tasks, on the shared threads.
final class SharedAnswerLoop: AnswerLoop {
    static let shared = SharedAnswerLoop()

    /// The task is unstructured, since it belongs to no caller: `body` has the answers of several.
    func execute(_ body: @escaping @Sendable () -> Void) { Task { body() } }
}

extension OneShot {
    /// Waits for the result that `start` passes on, now or later. Throws at once if the task is cancelled meanwhile.
    static func result<R: Sendable>(
        _ start: (@escaping @Sendable (Result<R, any Error>) -> Void) -> Void
    ) async throws -> R where Value == Result<R, any Error> {
        let shot = OneShot()
        return try await withTaskCancellationHandler {
            start { shot.fulfill($0) }
            return try await shot.value.get()
        } onCancel: {
            shot.fulfill(.failure(CancellationError()))
        }
    }
}
