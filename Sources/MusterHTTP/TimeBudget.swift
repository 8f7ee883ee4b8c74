import MusterProtocol
import NIOConcurrencyHelpers

/// The time that the server may spend on one request. It starts when the header is complete and stops while the client
/// sends the body.
final class TimeBudget: Sendable {
    /// When the header was complete.
    let began: ContinuousClock.Instant
    private let waited = NIOLockedValueBox(Duration.zero)

    init(began: ContinuousClock.Instant = .now) { self.began = began }

    /// Runs `work`, which waits for the client, without counting its time.
    func waitingForClient<R>(_ work: () async throws -> R) async rethrows -> R {
        let started = ContinuousClock.now
        defer { waited.withLockedValue { $0 += .now - started } }
        return try await work()
    }

    /// The deadline of a request that may take `limit`.
    func deadline(_ limit: Limit) -> ContinuousClock.Instant {
        began + waited.withLockedValue(\.self) + .milliseconds(limit.value)
    }
}
