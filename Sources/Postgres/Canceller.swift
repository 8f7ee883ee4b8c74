import CLibpq

/// What a cancel request needs.
///
/// `@unchecked Sendable` is right because libpq's PGcancel is not changed after it was made, and is documented to be
/// usable by any thread, also after its connection is gone.
final class CancelHandle: @unchecked Sendable {
    private let raw: OpaquePointer?
    init(_ connection: OpaquePointer) { raw = PQgetCancel(connection) }
    deinit { PQfreeCancel(raw) }

    /// Blocks: it opens a connection of its own, about 2 ms where the server is well. Returns whether the server has
    /// passed the request on: libpq waits until it closes that connection, which is when the process was signalled.
    func cancel() -> Bool {
        guard let raw else { return false }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { PQcancel(raw, $0.baseAddress, 256) == 1 }
    }
}

/// One wish to cancel what a connection runs, and what became of it.
final class CancelRequest: Sendable {
    fileprivate let handle: CancelHandle
    private let wasSent = Locked<Bool?>(nil)
    private let ended = Signal()

    init(_ handle: CancelHandle) { self.handle = handle }

    fileprivate func end(wasSent: Bool) {
        self.wasSent.withLock { $0 = wasSent }
        ended.wakeAll()
    }

    /// Whether the process was signalled; it can't be from then on. False where nobody knows by `limit`.
    func isSent(by limit: Moment) -> Bool {
        wasSent.wait(for: ended) { wasSent in
            if let wasSent { return .found(wasSent) }
            return limit <= .now ? .found(false) : .again(by: limit)
        }
    }
}

/// The one thread that calls PQcancel: the call can hang as long as TCP does, which no worker and no deadline may wait for.
final class Canceller: Sendable {
    private struct State {
        var requests: [CancelRequest] = []
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
            while let request = next() { request.end(wasSent: request.handle.cancel()) }
        }
    }

    /// Asks the server to end what that connection runs. When it hangs too long to ask, `statement_timeout` does it.
    func cancel(_ handle: CancelHandle) -> CancelRequest {
        let request = CancelRequest(handle)
        let isTaken = state.withLock { state in
            guard state.requests.count < capacity, !state.isClosed else { return false }
            state.requests.append(request)
            return true
        }
        if isTaken { changed.wakeOne() } else { request.end(wasSent: false) }
        return request
    }

    /// Ends the thread after what it has been asked for.
    func close() {
        state.withLock { $0.isClosed = true }
        changed.wakeAll()
    }

    private func next() -> CancelRequest? {
        state.wait(for: changed) { state in
            if !state.requests.isEmpty { return .found(state.requests.removeFirst()) }
            return state.isClosed ? .found(nil) : .again(by: nil)
        }
    }
}
