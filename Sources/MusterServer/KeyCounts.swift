import MusterHandlers
import NIOConcurrencyHelpers
import Synchronization

/// How many requests a key has in flight, over all of its connections to this server.
final class KeyCount: Sendable {
    private let inFlight = Atomic<Int>(0)
    private let most: Int

    init(most: Int) { self.most = most }

    /// Takes a place, where there is one.
    func take() -> Bool {
        let before = inFlight.add(1, ordering: .relaxed).oldValue
        if before >= most { inFlight.subtract(1, ordering: .relaxed) }
        return before < most
    }

    func giveBack() { inFlight.subtract(1, ordering: .relaxed) }
}

/// The counts of all keys that have a connection.
final class KeyCounts: Sendable {
    private struct Key: Hashable {
        let workspaceID: Int32
        let keyID: [UInt8]

        init(_ session: Session) { (workspaceID, keyID) = (session.workspaceNumber, Array(session.keyID.utf8)) }
    }

    private let most: Int
    private let counts = NIOLockedValueBox<[Key: (count: KeyCount, users: Int)]>([:])

    init(most: Int) { self.most = most }

    /// A connection of this key begins to count.
    func enter(_ session: Session) -> KeyCount {
        counts.withLockedValue { [most] counts in
            let key = Key(session)
            var entry = counts[key] ?? (KeyCount(most: most), 0)
            entry.users += 1
            counts[key] = entry
            return entry.count
        }
    }

    /// A connection of this key has ended, and so have its tasks.
    func leave(_ session: Session) {
        counts.withLockedValue { counts in
            let key = Key(session)
            guard var entry = counts[key] else { return }
            entry.users -= 1
            counts[key] = entry.users > 0 ? entry : nil
        }
    }
}
