import MusterHTTP
import MusterHandlers
import MusterProtocol
import NIOConcurrencyHelpers

/// The rate-limit and in-flight slots of one request, to be released when its response is ready.
final class RequestAccounting: Sendable {
    private struct State {
        var rate: RateStatus?
        var slot: (session: Session, counter: KeyInFlight)?
    }

    private let limiter: RateLimiter
    private let router: CallRouter
    private let state = NIOLockedValueBox(State())

    init(_ limiter: RateLimiter, _ router: CallRouter) { (self.limiter, self.router) = (limiter, router) }

    /// The requests that the key has left; nil before the request is counted, or without a limit.
    var rate: RateStatus? { state.withLockedValue { $0.rate } }

    /// Counts the request for its key. Throws an `HTTPProblem` with status 429 if the key has used up its hour or has
    /// too many requests in flight; both are counted too.
    func count(_ session: Session) throws {
        do { try take(session) } catch {
            router.refused(.resourceExhausted, over: .rest)
            throw error
        }
    }

    private func take(_ session: Session) throws {
        do {
            let rate = try limiter.count(session)
            state.withLockedValue { $0.rate = rate }
        } catch let reached as RateLimitReached {
            state.withLockedValue { $0.rate = reached.status }
            throw HTTPProblem(reached)
        }
        let keys = router.keysInFlight
        let counter = keys.enter(session)
        guard counter.acquire() else {
            keys.leave(session)
            throw HTTPProblem(keys.refusal)
        }
        state.withLockedValue { $0.slot = (session, counter) }
    }

    func release() {
        let slot = state.withLockedValue { state in
            defer { state.slot = nil }
            return state.slot
        }
        guard let (session, counter) = slot else { return }
        counter.release()
        router.keysInFlight.leave(session)
    }
}
