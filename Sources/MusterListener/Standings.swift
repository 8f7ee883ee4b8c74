/// What is known of each open connection of a listener, and what becomes of one more.
///
/// Whoever has shown no good key yet is a stranger. There is room for so many of them; where it is used up, the one that came first
/// makes room for the one that comes. So strangers who do nothing keep nobody out, and never cost somebody whose key is good a place.
struct Standings {
    private enum Standing {
        /// The number is its place in the line of strangers.
        case stranger(UInt64)
        case known
        /// Is being cut, or told that there are too many.
        case leaving
    }

    enum Verdict: Equatable {
        /// Where somebody else makes room, that one is to be cut.
        case taken(cutting: ObjectIdentifier?)
        /// To be told that there are too many.
        case surplus
        /// Not even that.
        case refused
    }

    /// Connections that are being told that there are too many.
    static let mostSurplus = 64

    private let most: Int
    private let mostStrangers: Int
    private var standings: [ObjectIdentifier: Standing] = [:]
    private var line: [UInt64: ObjectIdentifier] = [:]
    /// No stranger in the line has a smaller number.
    private var first: UInt64 = 0
    private var next: UInt64 = 0
    private var known = 0

    /// - Parameters:
    ///   - most: connections in all.
    ///   - mostStrangers: of strangers among them.
    init(most: Int, mostStrangers: Int) {
        self.most = most
        self.mostStrangers = mostStrangers
    }

    private var hasRoom: Bool { line.count < mostStrangers && line.count + known < most }

    /// One more connection has come, a stranger's.
    mutating func admit(_ id: ObjectIdentifier) -> Verdict {
        if hasRoom {
            queue(id)
            return .taken(cutting: nil)
        }
        if let oldest = takeOldest() {
            queue(id)
            return .taken(cutting: oldest)
        }
        guard standings.count - known < Self.mostSurplus else { return .refused }
        standings[id] = .leaving
        return .surplus
    }

    /// Its key is good. One that is on its way out stays so.
    mutating func isKnown(_ id: ObjectIdentifier) {
        guard case .stranger(let place) = standings[id] else { return }
        line[place] = nil
        standings[id] = .known
        known += 1
    }

    /// It is closed.
    mutating func remove(_ id: ObjectIdentifier) {
        switch standings.removeValue(forKey: id) {
        case .stranger(let place): line[place] = nil
        case .known: known -= 1
        case .leaving, nil: break
        }
    }

    private mutating func queue(_ id: ObjectIdentifier) {
        standings[id] = .stranger(next)
        line[next] = id
        next += 1
    }

    private mutating func takeOldest() -> ObjectIdentifier? {
        guard !line.isEmpty else { return nil }
        while line[first] == nil { first += 1 }  // each number is passed once
        guard let oldest = line.removeValue(forKey: first) else { return nil }
        standings[oldest] = .leaving
        return oldest
    }
}
