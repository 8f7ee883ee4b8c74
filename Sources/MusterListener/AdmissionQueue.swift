/// What there are too many connections for.
public enum ConnectionBound: Sendable {
    /// All that the listener takes.
    case connections
    /// All that it takes from one address.
    case perAddress
}

/// What is known of each open connection of a listener, and what becomes of one more.
///
/// Whoever has shown no good key yet is a stranger. There is room for so many of them; where it is used up, the one that came first
/// makes room for the one that comes. So strangers who do nothing keep nobody out, and never cost somebody whose key is good a place.
struct AdmissionQueue {
    private enum Standing {
        /// The number is its place in the line of strangers.
        case unauthenticated(UInt64)
        case authenticated
        /// Is being cut, or told that there are too many.
        case leaving
    }

    typealias Bound = ConnectionBound

    enum Verdict: Equatable {
        /// Where somebody else makes room, that one is to be cut.
        case taken(cutting: ObjectIdentifier?)
        /// To be told that there are too many.
        case surplus(Bound)
        /// Not even that.
        case refused
    }

    private let maxConnections: Int
    private let maxUnauthenticated: Int
    private let maxSurplus: Int
    private let maxPerAddress: Int?
    private var admissions: [ObjectIdentifier: Standing] = [:]
    private var line: [UInt64: ObjectIdentifier] = [:]
    /// No stranger in the line has a smaller number.
    private var first: UInt64 = 0
    private var next: UInt64 = 0
    private var authenticatedCount = 0
    /// Connections that were taken, by address, where that is bounded.
    private var perAddress: [PeerAddress: Int] = [:]
    private var addresses: [ObjectIdentifier: PeerAddress] = [:]

    /// - Parameters:
    ///   - maxConnections: in all.
    ///   - maxUnauthenticated: of strangers among them.
    ///   - maxSurplus: that are being told that there are too many.
    ///   - maxPerAddress: from one address; nil is no bound.
    init(maxConnections: Int, maxUnauthenticated: Int, maxSurplus: Int = 64, maxPerAddress: Int? = nil) {
        self.maxConnections = maxConnections
        self.maxUnauthenticated = maxUnauthenticated
        self.maxSurplus = maxSurplus
        self.maxPerAddress = maxPerAddress
    }

    private var hasRoom: Bool { line.count < maxUnauthenticated && line.count + authenticatedCount < maxConnections }

    /// One more connection has come, a stranger's.
    ///
    /// - Parameter address: where it comes from; nil where that isn't known.
    mutating func admit(_ id: ObjectIdentifier, from address: PeerAddress? = nil) -> Verdict {
        if let address, let maxPerAddress, perAddress[address, default: 0] >= maxPerAddress {
            return refuse(id, .perAddress)
        }
        if hasRoom {
            queue(id, address)
            return .taken(cutting: nil)
        }
        if let oldest = takeOldest() {
            queue(id, address)
            return .taken(cutting: oldest)
        }
        return refuse(id, .connections)
    }

    private mutating func refuse(_ id: ObjectIdentifier, _ bound: Bound) -> Verdict {
        guard leaving < maxSurplus else { return .refused }
        admissions[id] = .leaving
        return .surplus(bound)
    }

    private var leaving: Int { admissions.count - authenticatedCount - line.count }

    /// Its key is good. One that is on its way out stays so.
    mutating func authenticated(_ id: ObjectIdentifier) {
        guard case .unauthenticated(let place) = admissions[id] else { return }
        line[place] = nil
        admissions[id] = .authenticated
        authenticatedCount += 1
    }

    /// It is closed.
    mutating func remove(_ id: ObjectIdentifier) {
        if let address = addresses.removeValue(forKey: id), let count = perAddress[address] {
            perAddress[address] = count == 1 ? nil : count - 1
        }
        switch admissions.removeValue(forKey: id) {
        case .unauthenticated(let place): line[place] = nil
        case .authenticated: authenticatedCount -= 1
        case .leaving, nil: break
        }
    }

    private mutating func queue(_ id: ObjectIdentifier, _ address: PeerAddress?) {
        if let address, maxPerAddress != nil {
            addresses[id] = address
            perAddress[address, default: 0] += 1
        }
        admissions[id] = .unauthenticated(next)
        line[next] = id
        next += 1
    }

    private mutating func takeOldest() -> ObjectIdentifier? {
        guard !line.isEmpty else { return nil }
        while line[first] == nil { first += 1 }  // each number is passed once
        guard let oldest = line.removeValue(forKey: first) else { return nil }
        admissions[oldest] = .leaving
        return oldest
    }
}
