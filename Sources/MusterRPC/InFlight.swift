import MusterProtocol

/// The requests of one connection whose work has not ended.
///
/// A request that was answered early, by its deadline or a cancel, stays until its work ends, since it still costs
/// something.
struct InFlight {
    struct Entry {
        /// Nil for a direct call, whose reply is dropped when it comes too late.
        var task: Task<Void, Never>?
        var deadline: ContinuousClock.Instant
        /// The code that it was answered with before its end.
        var answer: RPCCode?
    }

    private var entries: [Int64: Entry] = [:]
    /// Requests that another thread reads; their ids are not known yet.
    private(set) var reading = 0
    /// Ids that were cancelled while requests were being read; one of those may have the id.
    private var cancelledEarly: Set<Int64> = []

    var count: Int { entries.count + reading }
    var isEmpty: Bool { count == 0 }

    func contains(_ id: Int64) -> Bool { !entries.isEmpty && entries[id] != nil }

    mutating func add(_ id: Int64, _ entry: Entry) { entries[id] = entry }

    /// Removes a request whose work has ended; nil if the id is unknown.
    mutating func remove(_ id: Int64) -> Entry? { entries.removeValue(forKey: id) }

    /// Cancels a request. Returns whether it was in flight and not answered yet.
    mutating func cancel(_ id: Int64) -> Bool {
        guard let entry = entries[id] else {
            if cancelledEarly.count < 2 * reading { cancelledEarly.insert(id) }
            return false
        }
        return answerEarly(id, entry, .cancelled)
    }

    private mutating func answerEarly(_ id: Int64, _ entry: Entry, _ code: RPCCode) -> Bool {
        guard entry.answer == nil else { return false }
        entries[id]?.answer = code
        entry.task?.cancel()
        return true
    }

    /// Cancels requests past their deadlines. Returns their ids, and the next deadline.
    mutating func expire(_ now: ContinuousClock.Instant) -> (expired: [Int64], next: ContinuousClock.Instant?) {
        let waiting = entries.filter { $0.value.answer == nil }
        let expired = waiting.filter { $0.value.deadline <= now }
        for (id, entry) in expired { _ = answerEarly(id, entry, .deadlineExceeded) }
        return (expired.map(\.key), waiting.values.map(\.deadline).filter { $0 > now }.min())
    }

    mutating func cancelAll() {
        for (id, entry) in entries { _ = answerEarly(id, entry, .cancelled) }
    }

    mutating func beginReading() { reading += 1 }

    /// Ends the reading of a request. Returns whether it was cancelled meanwhile.
    mutating func endReading(_ id: Int64?) -> Bool {
        reading -= 1
        let wasCancelled = id.map { cancelledEarly.remove($0) != nil } ?? false
        if reading == 0 { cancelledEarly = [] }
        return wasCancelled
    }
}

/// Counts, in time windows, frames that a well-behaved peer rarely sends.
struct FloodGauge {
    private let limit: Int
    private let window: Duration
    private var count = 0
    private var windowStart: ContinuousClock.Instant

    init(limit: Int, window: Duration) {
        self.limit = limit
        self.window = window
        windowStart = .now
    }

    /// Counts one more frame. Returns whether that exceeds the limit.
    mutating func overflows() -> Bool {
        let now = ContinuousClock.now
        if now - windowStart > window { (count, windowStart) = (0, now) }
        count += 1
        return count > limit
    }
}
