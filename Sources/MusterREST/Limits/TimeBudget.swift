import MusterProtocol
import NIOConcurrencyHelpers

/// How long one request may be worked on. It begins with the request's header, the proof of its key included, and stands still
/// while its body comes.
final class TimeBudget: Sendable {
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

    /// When the request is given up: clients wait for two seconds.
    var deadline: ContinuousClock.Instant {
        began + waited.withLockedValue(\.self) + .milliseconds(Limits.restTime.value)
    }
}
