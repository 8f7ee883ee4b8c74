/// A value that one task awaits and any other can fulfill. The first value counts; later ones are ignored.
package final class OneShot<Value: Sendable>: Sendable {
    private enum State {
        case empty
        case waiting(CheckedContinuation<Value, Never>)
        case fulfilled(Value)
        case received
    }

    private let state = Locked(State.empty)

    package init() {}

    /// Sets the value, unless it is set already.
    package func fulfill(_ value: Value) {
        let waiter: CheckedContinuation<Value, Never>? = state.withLock { state in
            switch state {
            case .empty: state = .fulfilled(value)
            case .waiting(let waiter):
                state = .received
                return waiter
            case .fulfilled, .received: break
            }
            return nil
        }
        waiter?.resume(returning: value)
    }

    /// Waits for the value. Only one task may wait, and only once.
    package var value: Value {
        get async {
            await withCheckedContinuation { waiter in
                let fulfilled: Value? = state.withLock { state in
                    guard case .fulfilled(let value) = state else {
                        state = .waiting(waiter)
                        return nil
                    }
                    state = .received
                    return value
                }
                if let fulfilled { waiter.resume(returning: fulfilled) }
            }
        }
    }
}
