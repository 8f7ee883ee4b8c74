import CLibpq
import Locking

/// What a cancel request needs.
///
/// `@unchecked Sendable`: libpq's PGcancel is immutable, and is documented to be usable by any thread, even after its
/// connection is closed.
final class CancelHandle: @unchecked Sendable {
    private let raw: OpaquePointer?
    init(_ connection: OpaquePointer) { raw = PQgetCancel(connection) }
    deinit { PQfreeCancel(raw) }

    /// Blocks: opens a connection of its own, which takes about 2 ms when the server is healthy. Returns whether the
    /// server has forwarded the request: libpq waits until the server closes that connection, which it does after it
    /// signalled the process.
    func cancel() -> Bool {
        guard let raw else { return false }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { PQcancel(raw, $0.baseAddress, 256) == 1 }
    }
}

/// A request to cancel what a connection runs, and its outcome.
final class CancelRequest: Sendable {
    fileprivate let handle: CancelHandle
    private let wasSent = Locked<Bool?>(nil)
    private let ended = Signal()

    init(_ handle: CancelHandle) { self.handle = handle }

    fileprivate func end(wasSent: Bool) {
        self.wasSent.withLock { $0 = wasSent }
        ended.wakeAll()
    }

    /// Whether the process was signalled. After that it can't be signalled any more. False when this is unknown at
    /// `limit`.
    func isSent(by limit: MonotonicTime) -> Bool {
        wasSent.wait(for: ended) { wasSent in
            if let wasSent { return .found(wasSent) }
            return limit <= .now ? .found(false) : .again(by: limit.timespec)
        }
    }
}

/// The only thread that calls PQcancel. The call can block as long as TCP does, which neither a worker nor a deadline
/// may wait for.
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

    /// Requests that the server stops what a connection runs. If the queue is full, `statement_timeout` ends it.
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

    /// Ends the thread after the requests that it has.
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
