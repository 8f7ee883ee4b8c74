import MusterProtocol
import NIOCore

typealias ReplyContinuation = CheckedContinuation<Result<[UInt8], RPCError>, Never>

/// A call from its first sending to its reply, including all retries.
///
/// `@unchecked Sendable`: the caller's task sets `answer` before it posts the call; everything else that changes
/// belongs to the event loop.
final class PendingCall: @unchecked Sendable {
    enum State {
        /// The event loop does not have it yet.
        case new
        /// No connection has room for it.
        case waiting
        case sent(ClientConnection, id: Int64)
        /// It will be sent again.
        case pausing
        case done
    }

    let method: String
    let body: [UInt8]
    let isSafe: Bool
    let deadline: NIODeadline
    var answer: ReplyContinuation?
    var state = State.new
    var attempts = 0
    /// Why the last attempt failed, which is a better error than an exceeded deadline.
    var lastFailure: RPCError?

    init(method: String, body: [UInt8], isSafe: Bool, deadline: NIODeadline) {
        self.method = method
        self.body = body
        self.isSafe = isSafe
        self.deadline = deadline
    }

    var isDone: Bool { if case .done = state { true } else { false } }

    func finish(_ result: Result<[UInt8], RPCError>) {
        guard !isDone else { return }
        state = .done
        answer?.resume(returning: result)
        answer = nil
    }
}

/// The calls in flight on a connection by their ids, which count upwards.
///
/// A call is at the place that its id has modulo the places. The id of a place that is taken is not used: so there is
/// no hashing, and one call may take longer than thousands of later ones.
struct CallTable {
    /// Twice the calls that may be in flight, so that half of the places are free.
    private static let mask = 2 * Limits.requestsInFlight.value.nextPowerOfTwo() - 1

    private var places = [Entry?](repeating: nil, count: mask + 1)
    private(set) var count = 0

    private struct Entry {
        let id: Int64
        let call: PendingCall
    }

    /// The first id after `last` whose place is free. There must be room.
    func id(after last: Int64) -> Int64 {
        var id = last + 1
        while places[Int(id) & Self.mask] != nil { id += 1 }
        return id
    }

    mutating func add(_ call: PendingCall, id: Int64) {
        places[Int(id) & Self.mask] = Entry(id: id, call: call)
        count += 1
    }

    mutating func remove(_ id: Int64) -> PendingCall? {
        let place = Int(truncatingIfNeeded: id) & Self.mask
        guard let entry = places[place], entry.id == id else { return nil }
        places[place] = nil
        count -= 1
        return entry.call
    }

    /// All calls after `last`, in the order of their ids, which is the order in which they were sent.
    func all(after last: Int64 = 0) -> [(id: Int64, call: PendingCall)] {
        places.compactMap { $0.map { ($0.id, $0.call) } }.filter { $0.id > last }.sorted { $0.id < $1.id }
    }
}

extension Int {
    fileprivate func nextPowerOfTwo() -> Int { self <= 1 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount) }
}
