import HTTPTypes
import MusterHTTP
import MusterHandlers
import MusterProtocol
import NIOConcurrencyHelpers

/// The requests that a key has left in this hour: the three headers of every answer.
struct RateStatus: Sendable, Equatable {
    let limit: Int
    let remaining: Int
    /// In seconds since 1970 (UTC).
    let resetsAt: Int64
}

/// Counts the requests of each key to this server in one hour of the clock. Each server counts separately.
final class RateLimiter: Sendable {
    private struct Hour {
        var number: Int64
        var counts: [KeyReference: Int] = [:]
    }

    private let (importKeys, serviceKeys): (Int, Int)
    private let now: @Sendable () -> Int64
    private let hour: NIOLockedValueBox<Hour>

    /// - Parameters:
    ///   - importKeys: requests in an hour of each data import key; 0 means no limit and no counting.
    ///   - serviceKeys: the same for each service key.
    ///   - now: seconds since 1970.
    init(
        importKeys: Int, serviceKeys: Int,
        now: @escaping @Sendable () -> Int64 = { Instant.now.secondsSince1970 }
    ) {
        (self.importKeys, self.serviceKeys) = (importKeys, serviceKeys)
        self.now = now
        hour = NIOLockedValueBox(Hour(number: now() / 3_600))
    }

    /// Counts one request of a key. Nil without a limit. Throws a `RateLimitReached` if the hour is used up.
    func count(_ session: Session) throws -> RateStatus? {
        let perHour = session.kind == .import ? importKeys : serviceKeys
        guard perHour > 0 else { return nil }
        let seconds = now()
        let number = seconds / 3_600
        let sent = hour.withLockedValue { hour in
            // All keys start over together, so the table holds at most the keys of one hour.
            if hour.number != number { hour = Hour(number: number) }
            let sent = min(hour.counts[session.key, default: 0], perHour) + 1
            hour.counts[session.key] = sent
            return sent
        }
        let limit = session.kind == .import ? Limits.restRequestsPerHour : Limits.restServiceRequestsPerHour
        let status = RateStatus(limit: perHour, remaining: max(0, perHour - sent), resetsAt: (number + 1) * 3_600)
        guard sent <= perHour else {
            throw RateLimitReached(
                limit: limit.set(to: perHour), status: status, retryAfter: status.resetsAt - seconds)
        }
        return status
    }
}

/// A key has used up its requests for the hour.
struct RateLimitReached: Error {
    let limit: Limit
    let status: RateStatus
    /// In seconds.
    let retryAfter: Int64
}

extension HTTPProblem {
    /// The response to a key that has used up its hour.
    init(_ reached: RateLimitReached) {
        let limit = reached.limit
        self.init(
            .tooManyRequests, .tooMany, limit: limit,
            "this key has sent its \(limit.value) requests of this hour (\(limit.name))")
        details.set("retry_after_ms", .integer(reached.retryAfter * 1_000))
    }
}
