import Locking
public import Logging
public import MusterProtocol
public import MusterStore
import Postgres

/// Polls the keys in use, so that a key that any server invalidates loses its calls and connections within a second.
///
/// One query per workspace proves all of its keys in use. A call goes ahead only if its key was proved by a query that
/// began less than a second ago: nothing waits, and without PostgreSQL no key is proved.
public final class KeyRevocationMonitor: Sendable {
    /// The maximum age of a key's proof when a call starts.
    public static let maxAge = Duration.seconds(1)
    /// The time between polls.
    public static let interval = Duration.milliseconds(400)
    /// The longest time for one query.
    private static let timeout = Duration.milliseconds(1_500)
    /// How long a key is polled after its last use.
    private static let memory = Duration.seconds(60)

    private let store: Store
    private let logger: Logger
    private let workspaces = Locked<[WorkspaceID: WorkspaceKeys]>([:])

    /// Reads the keys of this store.
    public init(store: Store, logger: Logger) {
        self.store = store
        self.logger = logger
    }

    /// Records that a query which began at `asked` has proved the key of a new session.
    func opened(_ session: Session, asked: ContinuousClock.Instant) {
        withKey(of: session) { key in
            if !key.isRevoked { key.provedAt = max(key.provedAt ?? asked, asked) }
            key.isUsed = true
        }
    }

    /// When the session's key was last proved; nil if that is too long ago. Throws UNAUTHENTICATED if the key has
    /// ended.
    public func proof(of session: Session) throws(RPCError) -> ContinuousClock.Instant? {
        let key = withKey(of: session) { key in
            key.isUsed = true
            return key
        }
        guard !key.isRevoked, !session.hasExpired else { throw SessionHandlers.refusal }
        return key.provedAt.flatMap { .now - $0 <= Self.maxAge ? $0 : nil }
    }

    /// Throws if the session's key has ended or can't be proved to be live.
    public func verify(_ session: Session) throws(RPCError) {
        guard try proof(of: session) != nil else { throw Self.unproved }
    }

    static let unproved = RPCError(
        .unavailable, "the key can't be proved at the moment; try again",
        details: ["retry_after_ms": 400])

    /// Polls the keys of open sessions until it is cancelled, and ends the sessions whose keys have ended.
    ///
    /// - Parameter endSessions: ends the open sessions of this server for which the predicate holds; it must ask for
    ///   each.
    public func run(endSessions: @escaping @Sendable (@escaping @Sendable (Session) -> Bool) -> Void) async {
        await withDiscardingTaskGroup { group in
            // Runs apart from the polls: it writes, so it may wait for a lock, and sessions must end meanwhile.
            group.addTask { [self] in
                while !Task.isCancelled {
                    await recordUses()
                    try? await Task.sleep(for: Self.interval)
                }
            }
            while !Task.isCancelled {
                for (workspace, keyIDs) in startPolls() {
                    group.addTask { [self] in
                        if await poll(keyIDs, of: workspace) { endSessions { [self] in hasEnded($0) } }
                    }
                }
                // Ends expired sessions, and keeps the keys of the others watched.
                endSessions { [self] in hasEnded($0) }
                forgetUnheard()
                try? await Task.sleep(for: Self.interval)
            }
        }
    }

    private func hasEnded(_ session: Session) -> Bool {
        session.hasExpired || withKey(of: session) { $0.isRevoked }
    }

    private func withKey<R: Sendable>(of session: Session, _ body: (inout WatchedKey) -> R) -> R {
        workspaces.withLock { workspaces in
            let now = ContinuousClock.now
            return workspaces[session.workspaceID, default: WorkspaceKeys()].withKey(session.keyID) { key in
                key.heardAt = now
                return body(&key)
            }
        }
    }
}

// MARK: Polls

extension KeyRevocationMonitor {
    /// The keys to poll now. A workspace whose last poll has not ended waits for the next turn.
    private func startPolls() -> [(WorkspaceID, [String])] {
        workspaces.withLock { workspaces in
            workspaces.filter { !$0.value.isPolled }.map { workspace, state in
                workspaces[workspace]?.isPolled = true
                return (workspace, Array(state.keys.keys))
            }
        }
    }

    /// Publishes which keys are live. Returns whether one was found to be revoked.
    private func poll(_ keyIDs: [String], of workspace: WorkspaceID) async -> Bool {
        let started = ContinuousClock.now
        var live: Set<String>?
        let scope = WorkspaceScope(workspace, deadline: started + Self.timeout)
        do { live = try await store.in(scope).keys.live(among: keyIDs) } catch {
            // Sessions stay open: nothing says that their keys have ended.
            logger.debug("Keys could not be proved", metadata: ["cause": "\(error)"])
        }
        return workspaces.withLock { workspaces in
            workspaces[workspace]?.isPolled = false
            guard let live else { return false }
            return workspaces[workspace]?.publish(keyIDs, live: live, at: started) ?? false
        }
    }

    private func forgetUnheard() {
        let oldest = ContinuousClock.now - Self.memory
        workspaces.withLock { workspaces in
            for workspace in Array(workspaces.keys) {
                workspaces[workspace]?.forget(unheardSince: oldest)
                if workspaces[workspace]?.isIdle ?? true { workspaces[workspace] = nil }
            }
        }
    }

    /// The keys of one workspace that are polled.
    private struct WorkspaceKeys {
        var keys: [String: WatchedKey] = [:]
        var isPolled = false

        var isIdle: Bool { keys.isEmpty && !isPolled }

        mutating func withKey<R>(_ keyID: String, _ body: (inout WatchedKey) -> R) -> R {
            body(&keys[keyID, default: WatchedKey()])
        }

        /// Returns whether a key was found to be revoked.
        mutating func publish(_ keyIDs: [String], live: Set<String>, at moment: ContinuousClock.Instant) -> Bool {
            for keyID in keyIDs where keys[keyID] != nil {
                withKey(keyID) { key in
                    // Invalidation is for good: a revoked key never becomes live again.
                    key.isRevoked = key.isRevoked || !live.contains(keyID)
                    key.provedAt = key.isRevoked ? nil : moment
                }
            }
            return live.count < keyIDs.count
        }

        mutating func forget(unheardSince oldest: ContinuousClock.Instant) {
            keys = keys.filter { $0.value.heardAt >= oldest }
        }
    }

    private struct WatchedKey {
        var provedAt: ContinuousClock.Instant?
        var isRevoked = false
        var heardAt = ContinuousClock.now
        var isUsed = false
        var recordedHour: Instant?
    }
}

// MARK: Last use

extension KeyRevocationMonitor {
    /// Records in the database which keys were used in this hour, once per key.
    func recordUses() async {
        let hour = Instant.now.hour
        for (workspace, keyIDs) in unrecorded(in: hour) {
            do {
                let scope = WorkspaceScope(workspace, deadline: .now + Self.timeout)
                try await store.in(scope).keys.recordUse(of: keyIDs, hour: hour)
                workspaces.withLock { workspaces in
                    for keyID in keyIDs where workspaces[workspace]?.keys[keyID] != nil {
                        workspaces[workspace]?.keys[keyID]?.recordedHour = hour
                        workspaces[workspace]?.keys[keyID]?.isUsed = false
                    }
                }
            } catch {
                // The next turn retries until the hour is over. Nothing depends on it.
                logger.debug("The last use of keys could not be recorded", metadata: ["cause": "\(error)"])
            }
        }
    }

    private func unrecorded(in hour: Instant) -> [(WorkspaceID, [String])] {
        workspaces.withLock { workspaces in
            workspaces.compactMap { workspace, state in
                let due = state.keys.filter { $0.value.isUsed && $0.value.recordedHour != hour }.map(\.key)
                return due.isEmpty ? nil : (workspace, due)
            }
        }
    }
}

extension Session {
    fileprivate var hasExpired: Bool { expiresAt.map { $0 <= .now } ?? false }
}

extension Instant {
    /// The beginning of its hour.
    fileprivate var hour: Instant { Instant(microseconds: microseconds - microseconds % 3_600_000_000) }
}
