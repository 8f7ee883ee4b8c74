import Locking
public import Logging
public import MusterProtocol
public import MusterStore
import Postgres

/// Polls the keys in use, so that a key that any server invalidates loses its calls and connections within a second.
///
/// One query per workspace proves all of its keys in use. A call goes ahead only if its key was proved by a query that
/// began at most a second before the call. While polls are slow, calls wait for the next one; once a poll has failed,
/// they are refused at once, because without PostgreSQL no key is proved.
public final class KeyRevocationMonitor: Sendable {
    /// The maximum age of a key's proof when a call starts.
    public static let maxAge = Duration.seconds(1)
    /// The time between polls.
    public static let interval = Duration.milliseconds(400)
    /// The longest time for one query.
    private static let timeout = Duration.milliseconds(1_500)
    /// Polls in flight. One connection serves them, and `session.open` needs places in its queue too.
    private static let maxInFlight = 32
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

    /// Watches the key of a session that is about to open; a query that began at `asked` has proved it.
    func watch(_ keyID: String, in workspace: WorkspaceID, provedAt asked: ContinuousClock.Instant) -> WatchedKey {
        while true {
            let key = watchedKey(keyID, in: workspace, at: asked)
            let isWatched: Void? = key.hear(at: .now) { key in
                if !key.isRevoked { key.provedAt = max(key.provedAt ?? asked, asked) }
                key.isUsed = true
            }
            if isWatched != nil { return key }  // else it was forgotten just now
        }
    }

    /// When the session's key was last proved; nil if that is too long ago. Throws UNAUTHENTICATED if the key has
    /// ended.
    public func proof(
        of session: Session, at now: ContinuousClock.Instant = .now
    ) throws(RPCError) -> ContinuousClock.Instant? {
        let (isRevoked, provedAt) = withKey(of: session, at: now) { key in
            key.isUsed = true
            return (key.isRevoked, key.provedAt)
        }
        guard !isRevoked, !session.hasExpired else { throw SessionHandlers.refusal }
        return provedAt.flatMap { now - $0 <= Self.maxAge ? $0 : nil }
    }

    /// Waits for a proof that began at most `maxAge` before now, and returns when it began; nil for a key that no poll
    /// covers yet. Throws UNAUTHENTICATED if the key has ended, UNAVAILABLE if it can't be proved by the deadline.
    public func nextProof(
        of session: Session, deadline: ContinuousClock.Instant
    ) async throws(RPCError) -> ContinuousClock.Instant? {
        let oldest = ContinuousClock.now - Self.maxAge
        var pause = Duration.milliseconds(5)
        while true {
            let (key, hasFailed) = state(of: session)
            guard !key.isRevoked, !session.hasExpired else { throw SessionHandlers.refusal }
            guard let proved = key.provedAt else { return nil }
            if proved >= oldest { return proved }
            guard !hasFailed, !Task.isCancelled, .now + pause < deadline else { throw Self.unproved }
            try? await Task.sleep(for: pause)
            // Many calls may wait: short pauses only for the usual case, a poll that is a little late.
            pause = min(pause * 2, .milliseconds(80))
        }
    }

    /// Throws if the session's key has ended or can't be proved to be live by the deadline.
    public func verify(_ session: Session, deadline: ContinuousClock.Instant) async throws(RPCError) {
        guard try await nextProof(of: session, deadline: deadline) != nil else { throw Self.unproved }
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
                let began = ContinuousClock.now
                await pollAll { endSessions { [self] in hasEnded($0) } }
                // Ends those that have expired, and keeps the keys of the others watched.
                endSessions { [self] in hasEnded($0) }
                forgetUnheard()
                // At once if the polls took longer than the interval.
                try? await Task.sleep(until: began + Self.interval, clock: .continuous)
            }
        }
    }

    /// Whether the session's key is known to have ended.
    func hasEnded(_ session: Session) -> Bool {
        session.hasExpired || withKey(of: session) { $0.isRevoked }
    }

    private func withKey<R: Sendable>(
        of session: Session, at now: ContinuousClock.Instant = .now, _ body: (inout WatchedKey.State) -> R
    ) -> R {
        if let key = session.watchedKey, key.monitor == ObjectIdentifier(self),
            let result = key.hear(at: now, body)
        {
            return result
        }
        while true {
            let key = watchedKey(session.keyID, in: session.workspaceID, at: now)
            if let result = key.hear(at: now, body) { return result }  // else it was forgotten just now
        }
    }

    private func watchedKey(
        _ keyID: String, in workspace: WorkspaceID, at now: ContinuousClock.Instant
    ) -> WatchedKey {
        workspaces.withLock { workspaces in
            workspaces[workspace, default: WorkspaceKeys()].key(keyID) { WatchedKey(of: self, at: now) }
        }
    }
}

// MARK: Polls

extension KeyRevocationMonitor {
    /// Polls each workspace once. Calls `onRevocation` after each poll that found a revoked key.
    private func pollAll(onRevocation: @escaping @Sendable () -> Void) async {
        let due = Locked(workspaces.withLock { $0.map { ($0.key, Array($0.value.keys.keys)) } })
        await withDiscardingTaskGroup { group in
            for _ in 0..<Self.maxInFlight {
                group.addTask { [self] in
                    while let (workspace, keyIDs) = due.withLock({ $0.popLast() }) {
                        if await poll(keyIDs, of: workspace) { onRevocation() }
                    }
                }
            }
        }
    }

    private func state(of session: Session) -> (key: WatchedKey.State, hasFailed: Bool) {
        let key = withKey(of: session) { key in
            key.isUsed = true
            return key
        }
        return (key, workspaces.withLock { $0[session.workspaceID]?.hasFailed ?? false })
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
            workspaces[workspace]?.hasFailed = live == nil
            guard let live else { return false }
            return workspaces[workspace]?.publish(keyIDs, live: live, at: started) ?? false
        }
    }

    private func forgetUnheard() {
        let oldest = ContinuousClock.now - Self.memory
        workspaces.withLock { workspaces in
            for workspace in Array(workspaces.keys) {
                workspaces[workspace]?.forget(unheardSince: oldest)
                if workspaces[workspace]?.keys.isEmpty ?? true { workspaces[workspace] = nil }
            }
        }
    }

    /// The keys of one workspace that are polled.
    private struct WorkspaceKeys {
        var keys: [String: WatchedKey] = [:]
        /// Whether the last poll has failed.
        var hasFailed = false

        mutating func key(_ keyID: String, _ new: () -> WatchedKey) -> WatchedKey {
            if let key = keys[keyID] { return key }
            let key = new()
            keys[keyID] = key
            return key
        }

        /// Returns whether a key was found to be revoked.
        func publish(_ keyIDs: [String], live: Set<String>, at moment: ContinuousClock.Instant) -> Bool {
            for keyID in keyIDs {
                keys[keyID]?.update { key in
                    // Invalidation is for good: a revoked key never becomes live again.
                    key.isRevoked = key.isRevoked || !live.contains(keyID)
                    key.provedAt = key.isRevoked ? nil : moment
                }
            }
            return live.count < keyIDs.count
        }

        mutating func forget(unheardSince oldest: ContinuousClock.Instant) {
            keys = keys.filter { !$0.value.forget(unheardSince: oldest) }
        }
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
                    for keyID in keyIDs {
                        workspaces[workspace]?.keys[keyID]?.update { ($0.recordedHour, $0.isUsed) = (hour, false) }
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
                let due = state.keys.filter { $0.value.update { $0.isUsed && $0.recordedHour != hour } }.map(\.key)
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
