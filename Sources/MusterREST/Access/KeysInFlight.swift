import HTTPTypes
import MusterHandlers
import NIOConcurrencyHelpers

/// How many calls a key has in flight over HTTP, so that one caller does not take all connections to the database.
final class KeysInFlight: Sendable {
    private struct Key: Hashable {
        let workspaceID: Int32
        let keyID: [UInt8]

        init(_ session: Session) { (workspaceID, keyID) = (session.workspaceNumber, Array(session.keyID.utf8)) }
    }

    private let most: Int
    private let counts = NIOLockedValueBox<[Key: Int]>([:])

    init(most: Int) { self.most = most }

    /// Takes a place. Throws a `Refusal` with status 429 where there is none.
    func enter(_ session: Session) throws(Refusal) {
        let isIn = counts.withLockedValue { [most] counts in
            guard counts[Key(session), default: 0] < most else { return false }
            counts[Key(session), default: 0] += 1
            return true
        }
        if !isIn { throw Refusal(.tooManyRequests, "this key has too many requests in flight") }
    }

    func leave(_ session: Session) {
        counts.withLockedValue { counts in
            let left = counts[Key(session), default: 1] - 1
            counts[Key(session)] = left > 0 ? left : nil
        }
    }
}
