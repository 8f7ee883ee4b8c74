import Locking
import MusterStore

/// A value that calls read from memory, at most about a second old.
///
/// It is read again in the background while calls ask for it, so that none of them waits. Nothing is read while nobody
/// asks. An error is for those who wait; the next caller reads again.
final class RecentValue<Value: Sendable>: Sendable {
    typealias Then = @Sendable (Result<Value, any Error>) -> Void

    private struct Waiter: Sendable {
        let loop: any AnswerLoop
        let then: Then
    }

    private struct State {
        var value: Value?
        /// When the reading of `value` began.
        var readAt = ContinuousClock.now
        var isReading = false
        var waiters: [Waiter] = []
    }

    private let maxAge: Duration
    private let refreshAge: Duration
    private let read: @Sendable () async throws -> Value
    private let state = Locked(State())

    /// - Parameters:
    ///   - maxAge: an older value is not used. From half of that age the value is read again.
    ///   - read: must end by itself, soon.
    init(maxAge: Duration = .seconds(1), read: @escaping @Sendable () async throws -> Value) {
        (self.maxAge, refreshAge, self.read) = (maxAge, maxAge / 2, read)
    }

    /// The value in memory; nil if it is too old at this time of the clock.
    func recent(at now: ContinuousClock.Instant) -> Value? { take(at: now, orWait: nil) }

    /// Passes the value on: at once from memory, else on `loop` when it has been read.
    func get(at now: ContinuousClock.Instant, on loop: any AnswerLoop, then: @escaping Then) {
        if let value = take(at: now, orWait: Waiter(loop: loop, then: then)) { then(.success(value)) }
    }

    private func take(at now: ContinuousClock.Instant, orWait waiter: Waiter?) -> Value? {
        let (value, mustRead) = state.withLock { state -> (Value?, Bool) in
            let age = now - state.readAt
            let value = age <= maxAge ? state.value : nil
            if value == nil, let waiter { state.waiters.append(waiter) }
            let mustRead = !state.isReading && (value == nil ? waiter != nil : age > refreshAge)
            if mustRead { state.isReading = true }
            return (value, mustRead)
        }
        if mustRead { readAgain() }
        return value
    }

    /// The task is unstructured: it serves every caller that waits, and goes on when one of them leaves.
    private func readAgain() {
        Task {
            let began = ContinuousClock.now
            let result: Result<Value, any Error>
            do { result = .success(try await read()) } catch { result = .failure(error) }
            let waiters = state.withLock { state in
                (state.isReading, state.readAt, state.value) = (false, began, try? result.get())
                defer { state.waiters = [] }
                return state.waiters
            }
            for (_, waiters) in Dictionary(grouping: waiters, by: { ObjectIdentifier($0.loop) }) {
                waiters.first?.loop.execute { for waiter in waiters { waiter.then(result) } }
            }
        }
    }
}
