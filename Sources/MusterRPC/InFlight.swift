import MusterProtocol

/// The requests of one connection whose tasks have not ended.
///
/// One that was answered early, by its deadline or by a cancel, stays until its task ends: what it costs goes on, so it
/// counts.
struct InFlight {
    struct Entry {
        var task: Task<Void, Never>
        var deadline: ContinuousClock.Instant
        var isAnswered = false
    }

    private var entries: [Int64: Entry] = [:]
    /// Requests that another thread reads, so that nobody knows their ids yet.
    private(set) var reading = 0
    /// The calls that were cancelled while they were being read, perhaps.
    private var cancelledEarly: Set<Int64> = []

    var count: Int { entries.count + reading }
    var isEmpty: Bool { count == 0 }

    func contains(_ id: Int64) -> Bool { entries[id] != nil }

    mutating func add(_ id: Int64, _ entry: Entry) { entries[id] = entry }

    /// The task of a request has ended; nil where it is unknown.
    mutating func remove(_ id: Int64) -> Entry? { entries.removeValue(forKey: id) }

    /// Whether there was a request to cancel that has no answer yet.
    mutating func cancel(_ id: Int64) -> Bool {
        guard let entry = entries[id] else {
            if cancelledEarly.count < 2 * reading { cancelledEarly.insert(id) }
            return false
        }
        return answerEarly(id, entry)
    }

    private mutating func answerEarly(_ id: Int64, _ entry: Entry) -> Bool {
        guard !entry.isAnswered else { return false }
        entries[id]?.isAnswered = true
        entry.task.cancel()
        return true
    }

    /// Cancels what is past its deadline and tells which; and when to look again.
    mutating func expire(_ now: ContinuousClock.Instant) -> (expired: [Int64], next: ContinuousClock.Instant?) {
        let waiting = entries.filter { !$0.value.isAnswered }
        let expired = waiting.filter { $0.value.deadline <= now }
        for (id, entry) in expired { _ = answerEarly(id, entry) }
        return (expired.map(\.key), waiting.values.map(\.deadline).filter { $0 > now }.min())
    }

    mutating func cancelAll() {
        for (id, entry) in entries { _ = answerEarly(id, entry) }
    }

    mutating func beginReading() { reading += 1 }

    /// Whether the call that was read has been cancelled meanwhile.
    mutating func endReading(_ id: Int64?) -> Bool {
        reading -= 1
        let wasCancelled = id.map { cancelledEarly.remove($0) != nil } ?? false
        if reading == 0 { cancelledEarly = [] }
        return wasCancelled
    }
}

/// Counts what a well-meaning peer does seldom, in windows.
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

    /// Whether this was one too many.
    mutating func overflows() -> Bool {
        let now = ContinuousClock.now
        if now - windowStart > window { (count, windowStart) = (0, now) }
        count += 1
        return count > limit
    }
}
