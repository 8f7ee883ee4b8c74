import Locking
import MusterProtocol

/// A key that a `KeyRevocationMonitor` watches. Sessions refer to it, so that a call needs no look-up of its key.
final class WatchedKey: Sendable {
    struct State: Sendable {
        var provedAt: ContinuousClock.Instant?
        var isRevoked = false
        var heardAt: ContinuousClock.Instant
        var isUsed = false
        var recordedHour: Instant?
        /// It is not watched any more: another object of the same key may be.
        fileprivate var isForgotten = false
    }

    /// The monitor that watches it.
    let monitor: ObjectIdentifier
    private let state: Locked<State>

    init(of monitor: KeyRevocationMonitor, at now: ContinuousClock.Instant) {
        self.monitor = ObjectIdentifier(monitor)
        state = Locked(State(heardAt: now))
    }

    /// Reads or changes the state for a session that is in use. Nil if the key was forgotten.
    func hear<R: Sendable>(at now: ContinuousClock.Instant, _ body: (inout State) -> R) -> R? {
        state.withLock { state in
            guard !state.isForgotten else { return nil }
            state.heardAt = now
            return body(&state)
        }
    }

    /// Reads or changes the state.
    func update<R: Sendable>(_ body: (inout State) -> R) -> R { state.withLock { body(&$0) } }

    /// Forgets the key if no session was in use since. Returns whether it is forgotten.
    func forget(unheardSince oldest: ContinuousClock.Instant) -> Bool {
        state.withLock { state in
            if state.heardAt < oldest { state.isForgotten = true }
            return state.isForgotten
        }
    }
}
