import MusterHandlers
import MusterListener
import MusterProtocol
import NIOCore
import Synchronization

/// One direct call of a connection, from its beginning to its reply.
///
/// `@unchecked Sendable`: handlers pass it on to other threads, but use it on the connection's event loop only.
final class DirectCall: ReplyReceiver, @unchecked Sendable {
    let id: Int64
    let call: PreparedCall
    let context: CallContext
    /// Counts the requests in flight of the session's key.
    let count: KeyInFlight
    /// The bytes of the budget that are promised for the reply.
    let promised: Int
    private let connection: RPCConnection
    private(set) var isFinished = false
    /// Whether it is among the requests in flight, since its handler had no reply when it returned.
    var isInFlight = false

    init(
        _ id: Int64, _ call: PreparedCall, _ context: CallContext, _ count: KeyInFlight, promised: Int,
        of connection: RPCConnection
    ) {
        (self.id, self.call, self.context, self.count, self.promised) = (id, call, context, count, promised)
        self.connection = connection
    }

    func succeed(_ write: (inout [UInt8]) throws -> Void) {
        guard begin() else { return }
        connection.finish(self) { outbox in
            do {
                try outbox.append(replyTo: id, write)
                return nil
            } catch {
                return error
            }
        }
    }

    func fail(_ error: any Error) {
        guard begin() else { return }
        connection.finish(self) { _ in error }
    }

    /// Whether this is the first result.
    private func begin() -> Bool {
        connection.assertOnLoop()
        defer { isFinished = true }
        return !isFinished
    }
}

extension RPCConnection {
    /// Starts a call that needs no task. Returns false, without any effect, if it needs one.
    func startDirectly(
        _ id: Int64, _ call: PreparedCall, _ context: CallContext, _ count: KeyInFlight
    ) -> Bool {
        guard call.isDirect else { return false }
        let room = Self.room(for: call)
        guard room == 0 || answers.promiseNow(room) else { return false }
        let direct = DirectCall(id, call, context, count, promised: room, of: self)
        guard server.router.start(call, in: context, on: eventLoop, for: direct) else {
            if room > 0 { answers.settle(room) }
            return false
        }
        if !direct.isFinished {
            direct.isInFlight = true
            server.running.add(1, ordering: .relaxed)
            inFlight.add(id, .init(task: nil, deadline: context.deadline))
            wakeAt(context.deadline)
        }
        return true
    }

    /// Sends the reply of a direct call, unless it was answered early, and counts its end.
    ///
    /// - Parameter append: appends the reply to the outbox, or returns the error to send instead.
    func finish(_ direct: DirectCall, _ append: (inout Outbox) -> (any Error)?) {
        var early: RPCCode?
        if direct.isInFlight {
            server.running.subtract(1, ordering: .relaxed)
            early = inFlight.remove(direct.id)?.answer
        }
        let failure: (any Error)? =
            if let early { RPCError(early, "the call was answered before its end") } else { append(&outbox) }
        now = .now
        let answer = server.router.ended(direct.call, in: direct.context, at: now, failure: failure)
        if let answer, early == nil { outbox.append(replyTo: direct.id, error: answer) }
        direct.count.release()
        settle(direct.promised)
        if direct.isInFlight { requestEnded() } else { flushSoon() }
    }

    func assertOnLoop() { context?.eventLoop.assertInEventLoop() }
}
