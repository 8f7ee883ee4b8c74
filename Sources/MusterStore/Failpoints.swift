import Locking

/// Places where a test can hold a request, to show what happens when something else comes between.
public final class Failpoints: Sendable {
    public enum Place: String, Sendable, CaseIterable {
        /// Identifiers of an import were resolved, and nothing is locked yet.
        case importResolved
        /// The archive of an export is stored, and the export is not done yet.
        case exportStored
        /// An erasure is committed, and not in the journal yet.
        case erasureCommitted
    }

    #if DEBUG
        private let actions = Locked<[Place: @Sendable () async -> Void]>([:])

        /// What to do when a request comes to `place`; nil ends it.
        public func set(_ place: Place, _ action: (@Sendable () async -> Void)?) {
            actions.withLock { $0[place] = action }
        }

        func reach(_ place: Place) async {
            let action = actions.withLock { $0[place] }
            await action?()
        }
    #else
        @inline(__always) func reach(_: Place) async {}
    #endif
}
