/// A value that one task awaits and any other can fulfill. The first value counts; later ones are ignored.
package final class OneShot<Value: Sendable>: Sendable {
    private enum State {
        case nobodyWaits
        case waiting(CheckedContinuation<Value, Never>)
        case given(Value)
        case received
    }

    private let state = Locked(State.nobodyWaits)

    package init() {}

    /// Sets the value, unless it is set already.
    package func give(_ value: Value) {
        let waiter: CheckedContinuation<Value, Never>? = state.withLock { state in
            switch state {
            case .nobodyWaits: state = .given(value)
            case .waiting(let waiter):
                state = .received
                return waiter
            case .given, .received: break
            }
            return nil
        }
        waiter?.resume(returning: value)
    }

    /// Waits for the value. For one task, once.
    package var value: Value {
        get async {
            await withCheckedContinuation { waiter in
                let given: Value? = state.withLock { state in
                    guard case .given(let value) = state else {
                        state = .waiting(waiter)
                        return nil
                    }
                    state = .received
                    return value
                }
                if let given { waiter.resume(returning: given) }
            }
        }
    }
}
