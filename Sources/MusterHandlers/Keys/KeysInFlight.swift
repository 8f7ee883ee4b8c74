import Locking
public import MusterProtocol
import MusterStore
import Synchronization

/// The number of requests that a key has in flight at this server, over all of its connections and both wires. Its
/// limit keeps one caller from taking all connections to the database.
public final class KeyInFlight: Sendable {
    private let inFlight = Atomic<Int>(0)
    private let maxPerKey: Int

    init(maxPerKey: Int) { self.maxPerKey = maxPerKey }

    /// Acquires a slot; false if all are taken.
    public func acquire() -> Bool {
        let before = inFlight.add(1, ordering: .relaxed).oldValue
        if before >= maxPerKey { inFlight.subtract(1, ordering: .relaxed) }
        return before < maxPerKey
    }

    /// Releases an acquired slot.
    public func release() { inFlight.subtract(1, ordering: .relaxed) }
}

/// The counters of all keys in use.
public final class KeysInFlight: Sendable {
    /// The maximum of concurrent requests per key.
    public let maxPerKey: Int
    private let counts = Locked<[KeyReference: (count: KeyInFlight, users: Int)]>([:])

    init(maxPerKey: Int) { self.maxPerKey = maxPerKey }

    /// The error for a request beyond the limit, on either wire.
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
