import HTTPTypes
import MusterHandlers
import MusterProtocol

/// One request, as its answer must know it: in whose budgets it was counted.
final class Visit {
    private let limiter: RateLimiter
    private let router: CallRouter
    /// Nil where nobody was recognised, or nothing is counted.
    private(set) var rate: RateStatus?
    private var place: (session: Session, count: KeyInFlight)?

    init(_ limiter: RateLimiter, _ router: CallRouter) { (self.limiter, self.router) = (limiter, router) }

    private var keys: KeysInFlight { router.keysInFlight }

    /// Counts the request for a key that was found good, once. Throws a `Refusal` with status 429 where its hour is used up, or
    /// too much of it is in flight, which is counted too.
    func count(_ session: Session) throws {
        do { try take(session) } catch {
            router.refused(.resourceExhausted, over: .rest)
            throw error
        }
    }

    private func take(_ session: Session) throws {
        do { rate = try limiter.count(session) } catch let reached as RateLimitReached {
            rate = reached.status
            throw Refusal(reached)
        }
        let count = keys.enter(session)
        guard count.take() else {
            keys.leave(session)
            throw Refusal(keys.refusal)
        }
        place = (session, count)
    }

    /// Its answer is made.
    func end() {
        guard let (session, count) = place else { return }
        place = nil
        count.giveBack()
        keys.leave(session)
    }
}
