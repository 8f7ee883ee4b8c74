import Synchronization

/// Gates at which the handlers of a test server wait until the test opens them, each by its name.
public final class Gates: Sendable {
    private struct State {
        var waiting: [String: CheckedContinuation<Void, any Error>] = [:]
        var arrived: [String] = []
        var open: Set<String> = []
        var cancelled: [String] = []
    }
    private let state = Mutex(State())

    public init() {}

    /// The gates that a handler reached, in order.
    public var arrived: [String] { state.withLock { $0.arrived } }
    /// The gates at which a handler was cancelled, in order.
    public var cancelled: [String] { state.withLock { $0.cancelled } }

    /// Waits until the gate is open. Throws where the task is cancelled before.
    public func wait(at name: String) async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isOpen = state.withLock { state in
                    state.arrived.append(name)
                    if state.open.contains(name) || Task.isCancelled { return true }
                    state.waiting[name] = continuation
                    return false
                }
                if isOpen { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.cancelled.append(name)
                return state.waiting.removeValue(forKey: name)
            }
            waiter?.resume(throwing: CancellationError())
        }
    }

    /// Opens a gate for good.
    public func open(_ name: String) {
        let waiter = state.withLock { state in
            state.open.insert(name)
            return state.waiting.removeValue(forKey: name)
        }
        waiter?.resume()
    }

    /// Opens every gate at which a handler waits.
    public func openAll() { for name in state.withLock({ Array($0.waiting.keys) }) { open(name) } }
}
