import MusterProtocol
import NIOConcurrencyHelpers

/// How long one request may be worked on. It begins with the request's header, the proof of its key included, and stands still
/// while its body comes.
final class TimeBudget: Sendable {
    /// What a route may take.
    enum Allowance {
        /// One thing, or few: clients of these give up after two seconds.
        case short
        /// Up to a thousand objects, or all users of a segment.
        case long

        var duration: Duration {
            switch self {
            case .short: .milliseconds(Limits.restTime.value)
            case .long: .milliseconds(Limits.restLongTime.value)
            }
        }
    }

    /// Of the request that the current task answers.
    static var current: TimeBudget { IncomingRequest.current?.time ?? TimeBudget() }

    /// When the header was complete.
    let began: ContinuousClock.Instant
    private let waited = NIOLockedValueBox(Duration.zero)

    init(began: ContinuousClock.Instant = .now) { self.began = began }

    /// Runs what waits for the client: that is no time of the server's.
    func waitingForClient<R>(_ work: () async throws -> R) async rethrows -> R {
        let started = ContinuousClock.now
        defer { waited.withLockedValue { $0 += .now - started } }
        return try await work()
    }

    /// When a request with this allowance is given up.
    func deadline(_ allowance: Allowance) -> ContinuousClock.Instant {
        began + waited.withLockedValue(\.self) + allowance.duration
    }
}
