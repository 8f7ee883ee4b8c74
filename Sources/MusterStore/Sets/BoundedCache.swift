import Locking
import MusterSets

/// A cache with a limit in bytes. It evicts the least recently used values first.
final class BoundedCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Entry {
        var value: Value
        var bytes: Int
        var lastUsed: UInt64
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        var bytes = 0
        var clock: UInt64 = 0
        var (hits, misses, evictions) = (0, 0, 0)
    }

    private let state = Locked(State())
    private let byteLimit: Int

    init(byteLimit: Int) {
        self.byteLimit = byteLimit
    }

    subscript(key: Key) -> Value? {
        state.withLock { state in
            state.clock += 1
            guard let value = state.entries[key]?.value else {
                state.misses += 1
                return nil
            }
            state.hits += 1
            state.entries[key]?.lastUsed = state.clock
            return value
        }
    }

    /// Stores `value`, unless `isNewer` says that the stored one is newer.
    func put(_ value: Value, for key: Key, bytes: Int, unless isNewer: (Value) -> Bool = { _ in false }) {
        state.withLock { state in
            if let there = state.entries[key], isNewer(there.value) { return }
            state.clock += 1
            state.bytes += bytes - (state.entries[key]?.bytes ?? 0)
            state.entries[key] = Entry(value: value, bytes: bytes, lastUsed: state.clock)
            if state.bytes > byteLimit { evict(&state) }
        }
    }

    func remove(_ key: Key) {
        state.withLock { state in
            state.bytes -= state.entries.removeValue(forKey: key)?.bytes ?? 0
        }
    }

    /// The bytes that can be added without eviction.
    var room: Int { state.withLock { max(0, byteLimit - $0.bytes) } }

    /// How many values had to make room for others.
    var evictions: Int { state.withLock { $0.evictions } }

    /// Size and counters, for the metrics.
    var usage: CacheUsage {
        state.withLock {
            CacheUsage(
                entries: $0.entries.count, bytes: $0.bytes, hits: $0.hits, misses: $0.misses, evictions: $0.evictions)
        }
    }

    /// Evicts a tenth more than needed, so that many puts share the cost of one sort.
    private func evict(_ state: inout State) {
        for (key, entry) in state.entries.sorted(by: { $0.value.lastUsed < $1.value.lastUsed }) {
            if state.bytes <= byteLimit / 10 * 9 { return }
            state.entries.removeValue(forKey: key)
            state.bytes -= entry.bytes
            state.evictions += 1
        }
    }
}

/// The newest version of each set that this process has seen.
typealias SetCache = BoundedCache<SetKey, SetState>

extension BoundedCache where Key == SetKey, Value == SetState {
    func put(_ state: SetState, for key: SetKey) {
        put(state, for: key, bytes: state.members.byteCount) { $0.at.version > state.at.version }
    }

    /// Replaces even a newer version, which turned out to belong to an abandoned history.
    func replace(_ state: SetState, for key: SetKey) {
        put(state, for: key, bytes: state.members.byteCount)
    }
}
