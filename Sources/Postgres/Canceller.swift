import CLibpq

/// What a cancel request needs.
///
/// `@unchecked Sendable` is right because libpq's PGcancel is not changed after it was made, and is documented to be
/// usable by any thread, also after its connection is gone.
final class CancelHandle: @unchecked Sendable {
    private let raw: OpaquePointer?
    init(_ connection: OpaquePointer) { raw = PQgetCancel(connection) }
    deinit { PQfreeCancel(raw) }

    /// Blocks: it opens a connection of its own, about 2 ms where the server is well.
    func cancel() {
        guard let raw else { return }
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { _ = PQcancel(raw, $0.baseAddress, 256) }
    }
}

/// The one thread that calls PQcancel: the call can hang as long as TCP does, which no worker and no deadline may wait for.
final class Canceller: Sendable {
    private struct State {
        var handles: [CancelHandle] = []
        var isClosed = false
    }
    private let state = Locked(State())
    private let changed = Signal()
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
    }

    func start() {
        startThread { [self] in
            while let handle = next() { handle.cancel() }
        }
    }

    /// Asks the server to end what that connection runs. When it hangs too long to ask, `statement_timeout` does it.
    func cancel(_ handle: CancelHandle) {
        state.withLock { state in
            if state.handles.count < capacity { state.handles.append(handle) }
        }
        changed.wakeOne()
    }

    /// Ends the thread after what it has been asked for.
    func close() {
        state.withLock { $0.isClosed = true }
        changed.wakeAll()
    }

    private func next() -> CancelHandle? {
        state.wait(for: changed) { state in
            if !state.handles.isEmpty { return .found(state.handles.removeFirst()) }
            return state.isClosed ? .found(nil) : .again(by: nil)
        }
    }
}
