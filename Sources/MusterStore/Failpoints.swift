import Locking

/// Points at which a test can pause a request, to show what happens when other work runs in between.
public final class Failpoints: Sendable {
    public enum Place: String, Sendable, CaseIterable {
        /// The identifiers of an import are resolved; no lock is held yet.
        case importResolved
        /// The archive of an export is stored; the export is not marked done yet.
        case exportStored
        /// An erasure is committed; the journal does not have it yet.
        case erasureCommitted
    }

    #if DEBUG
        private let actions = Locked<[Place: @Sendable () async -> Void]>([:])

        /// Runs `action` when a request reaches `place`; nil removes it.
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
