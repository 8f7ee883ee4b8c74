/// The bound that a surplus connection exceeds.
public enum ConnectionBound: Sendable {
    /// Connections of the listener.
    case connections
    /// Connections of the listener from one address.
    case perAddress
}

/// Admits the connections of a listener and knows which are authenticated.
///
/// A connection is unauthenticated until a valid key arrives over it. At the maximum of unauthenticated connections, a
/// new one cuts the oldest: idle connections block no others, and never displace an authenticated one.
struct AdmissionQueue {
    private enum Admitted {
        /// The number is its position in the queue.
        case unauthenticated(UInt64)
        case authenticated
        /// It is being cut, or refused as surplus.
        case leaving
    }

    typealias Bound = ConnectionBound

    /// The decision on a new connection.
    enum Decision: Equatable {
        /// Admitted; `closing` is the connection to cut for it, if any.
        case taken(closing: ObjectIdentifier?)
        /// Refused with an error.
        case surplus(Bound)
        /// Closed without an error.
        case refused
    }

    private let maxConnections: Int
    private let maxUnauthenticated: Int
    private let maxSurplus: Int
    private let maxPerAddress: Int?
    private var admissions: [ObjectIdentifier: Admitted] = [:]
    private var queued: [UInt64: ObjectIdentifier] = [:]
    /// No queued connection has a smaller number.
    private var first: UInt64 = 0
    private var next: UInt64 = 0
    private var authenticatedCount = 0
    /// Admitted connections by address, if that is bounded.
    private var perAddress: [PeerAddress: Int] = [:]
    private var addresses: [ObjectIdentifier: PeerAddress] = [:]

    /// - Parameters:
    ///   - maxConnections: all connections.
    ///   - maxUnauthenticated: unauthenticated ones among them.
    ///   - maxSurplus: connections that are being refused with an error at the same time.
    ///   - maxPerAddress: connections from one address; nil means no bound.
    init(maxConnections: Int, maxUnauthenticated: Int, maxSurplus: Int = 64, maxPerAddress: Int? = nil) {
        self.maxConnections = maxConnections
        self.maxUnauthenticated = maxUnauthenticated
        self.maxSurplus = maxSurplus
        self.maxPerAddress = maxPerAddress
    }

    private var hasRoom: Bool {
        queued.count < maxUnauthenticated && queued.count + authenticatedCount < maxConnections
    }

    /// Admits another connection as unauthenticated, or refuses it.
    ///
    /// - Parameter address: the peer's address; nil if it is unknown.
    mutating func admit(_ id: ObjectIdentifier, from address: PeerAddress? = nil) -> Decision {
        if let address, let maxPerAddress, perAddress[address, default: 0] >= maxPerAddress {
            return refuse(id, .perAddress)
        }
        if hasRoom {
            enqueue(id, address)
            return .taken(closing: nil)
        }
        if let oldest = dequeueOldest() {
            enqueue(id, address)
            return .taken(closing: oldest)
        }
        return refuse(id, .connections)
    }

    private mutating func refuse(_ id: ObjectIdentifier, _ bound: Bound) -> Decision {
        guard leaving < maxSurplus else { return .refused }
        admissions[id] = .leaving
        return .surplus(bound)
    }

    private var leaving: Int { admissions.count - authenticatedCount - queued.count }

    /// Marks a connection as authenticated, unless it is being cut.
    mutating func authenticated(_ id: ObjectIdentifier) {
        guard case .unauthenticated(let ticket) = admissions[id] else { return }
        queued[ticket] = nil
        admissions[id] = .authenticated
        authenticatedCount += 1
    }

    /// Removes a closed connection.
    mutating func remove(_ id: ObjectIdentifier) {
        if let address = addresses.removeValue(forKey: id), let count = perAddress[address] {
            perAddress[address] = count == 1 ? nil : count - 1
        }
        switch admissions.removeValue(forKey: id) {
        case .unauthenticated(let ticket): queued[ticket] = nil
        case .authenticated: authenticatedCount -= 1
        case .leaving, nil: break
        }
    }

    private mutating func enqueue(_ id: ObjectIdentifier, _ address: PeerAddress?) {
        if let address, maxPerAddress != nil {
            addresses[id] = address
            perAddress[address, default: 0] += 1
        }
        admissions[id] = .unauthenticated(next)
        queued[next] = id
        next += 1
    }

    private mutating func dequeueOldest() -> ObjectIdentifier? {
        guard !queued.isEmpty else { return nil }
        while queued[first] == nil { first += 1 }  // each number is passed once
        guard let oldest = queued.removeValue(forKey: first) else { return nil }
        admissions[oldest] = .leaving
        return oldest
    }
}
