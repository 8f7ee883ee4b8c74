import HTTPTypes
import MusterHandlers
import MusterProtocol
import MusterStore
import NIOConcurrencyHelpers

/// What a key may still send in this hour: the three headers of every answer.
struct RateStatus: Sendable, Equatable {
    let limit: Int
    let remaining: Int
    /// In seconds since 1970 (UTC).
    let resetsAt: Int64
}

/// Counts what each key sends to this server in one hour of the clock. Another server counts for itself.
final class RateLimiter: Sendable {
    private struct Key: Hashable {
        let workspace: Int32
        let keyID: String
    }

    private struct Hour {
        var number: Int64
        var counts: [Key: Int] = [:]
    }

    private let perHour: Int
    private let now: @Sendable () -> Int64
    private let hour: NIOLockedValueBox<Hour>

    /// - Parameters:
    ///   - perHour: requests; 0 is no limit, and nothing is counted.
    ///   - now: seconds since 1970.
    init(perHour: Int, now: @escaping @Sendable () -> Int64 = { Instant.now.microseconds / 1_000_000 }) {
        self.perHour = perHour
        self.now = now
        hour = NIOLockedValueBox(Hour(number: now() / 3_600))
    }

    /// Counts one request of a key. Nil where there is no limit; throws a `Refusal` with status 429 where the hour is used up.
    func count(_ session: Session) throws -> RateStatus? {
        guard perHour > 0 else { return nil }
        let (seconds, key) = (now(), Key(workspace: session.workspaceNumber, keyID: session.keyID))
        let number = seconds / 3_600
        let sent = hour.withLockedValue { hour in
            // All keys begin anew together, so what is kept is bounded by the keys of one hour.
            if hour.number != number { hour = Hour(number: number) }
            let sent = min(hour.counts[key, default: 0], perHour) + 1
            hour.counts[key] = sent
            return sent
        }
        let status = RateStatus(limit: perHour, remaining: max(0, perHour - sent), resetsAt: (number + 1) * 3_600)
        guard sent <= perHour else { throw RateLimitReached(status: status, retryAfter: status.resetsAt - seconds) }
        return status
    }
}

/// A key has used up its hour.
struct RateLimitReached: Error {
    let status: RateStatus
    /// In seconds.
    let retryAfter: Int64
}

/// One request, as its answer must know it: in whose budget it was counted.
final class Visit {
    private let limiter: RateLimiter
    /// Nil where nobody was recognised, or nothing is counted.
    private(set) var rate: RateStatus?

    init(_ limiter: RateLimiter) { self.limiter = limiter }

    /// Counts the request for a key that was found good. Throws a `Refusal` with status 429 where its hour is used up.
    func count(_ session: Session) throws {
        do { rate = try limiter.count(session) } catch let reached as RateLimitReached {
            rate = reached.status
            throw Refusal(
                .tooManyRequests, "this key has sent its \(reached.status.limit) requests of this hour",
                retryAfter: reached.retryAfter)
        }
    }
}
