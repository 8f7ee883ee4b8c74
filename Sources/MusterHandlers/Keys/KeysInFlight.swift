import Locking
public import MusterProtocol
import MusterStore
import Synchronization

/// How many requests a key has in flight at this server, over all of its connections and both wires, so that one caller
/// does not take all connections to the database.
public final class KeyInFlight: Sendable {
    private let inFlight = Atomic<Int>(0)
    private let maxPerKey: Int

    init(maxPerKey: Int) { self.maxPerKey = maxPerKey }

    /// Takes a place if there is one.
    public func acquire() -> Bool {
        let before = inFlight.add(1, ordering: .relaxed).oldValue
        if before >= maxPerKey { inFlight.subtract(1, ordering: .relaxed) }
        return before < maxPerKey
    }

    /// Gives a place back that was taken.
    public func release() { inFlight.subtract(1, ordering: .relaxed) }
}

/// The counts of all keys that somebody uses.
public final class KeysInFlight: Sendable {
    /// Requests of one key at once.
    public let maxPerKey: Int
    private let counts = Locked<[KeyReference: (count: KeyInFlight, users: Int)]>([:])

    init(maxPerKey: Int) { self.maxPerKey = maxPerKey }

    /// What a request beyond them is refused with, over either wire.
    public var refusal: RPCError {
        let limit = Limits.requestsInFlightPerKey.set(to: maxPerKey)
        return RPCError(
            .resourceExhausted, .tooMany, limit: limit,
            "this key has \(limit.value) requests in flight, which is all that it may have (\(limit.name))",
            details: ["retry_after_ms": 100])
    }

    /// Retains the counter of a session's key until `leave`.
    public func enter(_ session: Session) -> KeyInFlight {
        counts.withLock { [maxPerKey] counts in
            var entry = counts[session.key] ?? (KeyInFlight(maxPerKey: maxPerKey), 0)
            entry.users += 1
            counts[session.key] = entry
            return entry.count
        }
    }

    /// Releases the caller's reference; the counter goes with the last one.
    public func leave(_ session: Session) {
        counts.withLock { counts in
            guard var entry = counts[session.key] else { return }
            entry.users -= 1
            counts[session.key] = entry.users > 0 ? entry : nil
        }
    }
}
