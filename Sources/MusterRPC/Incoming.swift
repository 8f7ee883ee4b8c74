import MusterHandlers
import MusterProtocol

/// A decoded frame, independent of the bytes that it was read from.
enum Incoming: Sendable {
    case request(Call)
    case cancel(id: Int64)
    case ping(Int64)
    case pong(Int64)
    /// Too large to decode on the event loop.
    case large([UInt8])
    /// Not a message of this protocol; `id` is that of its request, if it could be read.
    case wrong(id: Int64?, RPCError)

    /// Whether it needs room among the requests in flight.
    var asksForWork: Bool {
        switch self {
        case .request, .large: true
        case .cancel, .ping, .pong, .wrong: false
        }
    }

    struct Call: Sendable {
        let id: Int64
        let deadlineMilliseconds: Int64?
        let work: Work
    }

    enum Work: Sendable {
        case open(OpenSession)
        case call(PreparedCall)
        case refused(RPCError)
    }
}

/// A request that waits for room, and the time at which it arrived. A class, since there rarely is one, and each frame
/// asks for it.
final class HeldRequest {
    let request: Incoming
    let arrived: ContinuousClock.Instant

    init(_ request: Incoming, arrived: ContinuousClock.Instant) { (self.request, self.arrived) = (request, arrived) }
}

/// Decodes messages into `Incoming` values.
struct IncomingReader: Sendable {
    /// Bytes of a message. Another thread reads longer ones: 16 KiB take about 20 µs, and other connections wait
    /// meanwhile.
    static let maxOnLoop = 16 << 10

    let router: CallRouter

    /// Decodes one message; `read` supplies the reader. Without a session it must be `session.open`.
    func incoming(
        over session: Session?, _ read: ((JSONValue) throws -> Incoming) throws -> Incoming
    ) -> Incoming {
        do {
            return try read { message in
                if let session, let request = PlainRequest(message), let call = self.call(request, session) {
                    return .request(call)
                }
                do throws(EnvelopeError) {
                    return self.incoming(try Envelope(message), session)
                } catch {
                    return .wrong(id: error.id, RPCError(error.reason))
                }
            }
        } catch let error as JSONError {
            let refusal = RPCError(error)
            guard let id = error.requestID else { return .wrong(id: nil, refusal) }
            // Only the server answers, so a message with an id is a request, and only that request is refused.
            return .request(.init(id: id, deadlineMilliseconds: nil, work: .refused(refusal)))
        } catch {
            return .wrong(id: nil, RPCError(.internal, "can't read", cause: error))
        }
    }

    /// The call of a request in its plain form; nil if its method has no handler.
    private func call(_ request: PlainRequest, _ session: Session) -> Incoming.Call? {
        let work: Incoming.Work
        do throws(RPCError) {
            guard let call = try router.prepare(request, over: session) else { return nil }
            work = .call(call)
        } catch {
            work = .refused(error)
        }
        return .init(id: request.id, deadlineMilliseconds: request.deadlineMilliseconds, work: work)
    }

    private func incoming(_ envelope: Envelope, _ session: Session?) -> Incoming {
        switch envelope {
        case .request(let id, let method, let deadline, let body):
            .request(.init(id: id, deadlineMilliseconds: deadline, work: work(method, body, deadline, session)))
        case .cancel(let id): .cancel(id: id)
        case .ping(let number): .ping(number)
        case .pong(let number): .pong(number)
        case .reply(let id, _):
            .wrong(
                id: id,
                RPCError(
                    .invalidArgument, .missing, field: "method",
                    "method is missing; a message without it is an answer, and only the server answers"))
        case .error(let id, _):
            .wrong(id: id, RPCError(.invalidArgument, .malformed, "only the server answers"))
        case .goaway: .wrong(id: nil, RPCError(.invalidArgument, .malformed, "only the server sends goaway"))
        }
    }

    private func work(
        _ method: String, _ body: JSONValue?, _ milliseconds: Int64?, _ session: Session?
    ) -> Incoming.Work {
        do throws(RPCError) {
            switch (session, method == OpenSession.method) {
            case (nil, false): throw RPCError(.unauthenticated, "the first call on a connection must be session.open")
            case (_?, true):
                throw RPCError(
                    .failedPrecondition, .sessionOpen, "the session of this connection is open already")
            case (nil, true): return .open(try router.prepareOpen(body: try Self.need(body)))
            case (let session?, false):
                return .call(
                    try router.prepare(
                        method: method, body: try Self.need(body), over: session,
                        deadlineMilliseconds: milliseconds))
            }
        } catch {
            return .refused(error)
        }
    }

    private static func need(_ body: JSONValue?) throws(RPCError) -> JSONValue {
        guard let body else {
            throw RPCError(
                .invalidArgument, .missing, field: "body", "body is missing; where there is nothing to say it is {}")
        }
        return body
    }
}
