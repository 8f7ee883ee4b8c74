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
        /// The heads of a proof have arrived; nothing is answered yet.
        case proofArrived
        /// A refresh has taken its snapshot and read the heads.
        case refreshBegan
        /// A read is proved; its users are not looked up in the directory yet.
        case readProved
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

        private let blockingActions = Locked<[Place: @Sendable () -> Void]>([:])

        /// The same for places without tasks: `action` runs on the thread that comes there, and holds it.
        public func setBlocking(_ place: Place, _ action: (@Sendable () -> Void)?) {
            blockingActions.withLock { $0[place] = action }
        }

        func reachBlocking(_ place: Place) { blockingActions.withLock { $0[place] }?() }
    #else
        @inline(__always) func reach(_: Place) async {}
        @inline(__always) func reachBlocking(_: Place) {}
    #endif
}
