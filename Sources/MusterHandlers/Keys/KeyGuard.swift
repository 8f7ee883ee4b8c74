import Locking
public import Logging
import MusterProtocol
public import MusterStore
import Postgres

/// Watches the keys in use, so that a key that was invalidated, on whichever server, ends its calls and connections within a second.
///
/// A call goes ahead only where its key was proved live by PostgreSQL half a second before the call came, or later. One look
/// proves all keys in use of a workspace, and serves all calls that wait for it. Where PostgreSQL is away, no key is proved.
public final class KeyGuard: Sendable {
    /// How old a proof may be when a call comes.
    public static let freshness = Duration.milliseconds(500)
    /// How often open sessions are looked after: with the look itself and the ending, less than a second together.
    public static let interval = Duration.milliseconds(400)
    /// How long one look may take: who waits for another's look hears of its end in the time that a REST request has.
    private static let patience = Duration.milliseconds(1_500)
    /// For how long a key is watched of which nothing is heard: a few times as long as the loop takes.
    private static let memory = Duration.seconds(60)

    private let store: Store
    private let logger: Logger
    private let rooms = Locked<[WorkspaceID: Room]>([:])

    /// Asks this store.
    public init(store: Store, logger: Logger) {
        self.store = store
        self.logger = logger
    }

    /// Takes note of a session whose key was just proved by a look that began at `asked`.
    func opened(_ session: Session, asked: ContinuousClock.Instant) {
        withKey(of: session) { key in
            if !key.isDead { key.provenAt = max(key.provenAt ?? asked, asked) }
            key.isUsed = true
        }
    }

    /// Throws where the session's key has ended, or can't be proved to be live. For `CallRouter`, before every call.
    public func verify(_ session: Session, deadline: ContinuousClock.Instant) async throws {
        let oldest = ContinuousClock.now - Self.freshness
        while true {
            switch state(of: session, provenSince: oldest) {
            case .live: return
            case .ended: throw SessionHandlers.refusal
            case .unproved: break
            }
            guard ContinuousClock.now < deadline else { throw Self.tooLate }
            try await look(at: session.workspaceID, deadline: deadline)
        }
    }

    /// Proves the keys of open sessions again and again, and ends the sessions whose keys have ended. Until it is cancelled.
    ///
    /// - Parameter endSessions: ends the open sessions of this server for which the predicate holds; it must ask for each.
    public func run(endSessions: @escaping @Sendable (@escaping @Sendable (Session) -> Bool) -> Void) async {
        await withDiscardingTaskGroup { group in
            // Beside the loop: it writes, so it may have to wait for a lock, and sessions must end meanwhile.
            group.addTask { [self] in
                while !Task.isCancelled {
                    await recordUses()
                    try? await Task.sleep(for: Self.interval)
                }
            }
            while !Task.isCancelled {
                await lookAfterAll()
                endSessions { [self] session in hasEnded(session) }
                forgetUnheard()
                try? await Task.sleep(for: Self.interval)
            }
        }
    }

    /// Proves all keys that are watched.
    private func lookAfterAll() async {
        await withDiscardingTaskGroup { group in
            for workspace in rooms.withLock({ Array($0.keys) }) {
                group.addTask { [self] in
                    do {
                        try await look(at: workspace, deadline: .now + Self.patience)
                    } catch {
                        // Calls fail closed meanwhile; sessions stay open, since nothing says that their keys have ended.
                        logger.debug("Keys could not be proved", metadata: ["cause": "\(error)"])
                    }
                }
            }
        }
    }

    /// Whether an open session is to be ended; keeps its key watched.
    private func hasEnded(_ session: Session) -> Bool {
        session.hasExpired || withKey(of: session) { $0.isDead }
    }

    private enum KeyState { case live, ended, unproved }

    private func state(of session: Session, provenSince oldest: ContinuousClock.Instant) -> KeyState {
        if session.hasExpired { return .ended }
        return withKey(of: session) { key in
            key.isUsed = true
            if key.isDead { return .ended }
            return key.provenAt.map { $0 >= oldest } ?? false ? .live : .unproved
        }
    }

    private func withKey<R: Sendable>(of session: Session, _ body: (inout WatchedKey) -> R) -> R {
        rooms.withLock { rooms in
            let now = ContinuousClock.now
            return rooms[session.workspaceID, default: Room()].withKey(session.keyID) { key in
                key.heardAt = now
                return body(&key)
            }
        }
    }
}

// MARK: Looks

extension KeyGuard {
    /// What came of waiting for a look.
    private enum Turn {
        /// It is this caller's turn to ask PostgreSQL.
        case ask
        /// Somebody's look has ended.
        case done
        /// Somebody's look has failed, and this one's would.
        case failed(any Error)
    }

    /// One look at all keys of a workspace that are watched: this caller's, or one that is under way.
    private func look(at workspace: WorkspaceID, deadline: ContinuousClock.Instant) async throws {
        switch await turn(in: workspace, deadline: deadline) {
        case .ask: try await ask(workspace, deadline: deadline)
        case .done: return
        case .failed(let error): throw error
        }
    }

    /// Waits no longer than its own deadline: the look that it waits for may have a later one.
    private func turn(in workspace: WorkspaceID, deadline: ContinuousClock.Instant) async -> Turn {
        let turn = OneShot<Turn>()
        // Whose turn it is must ask, however late: all others wait for it.
        if rooms.withLock({ $0[workspace, default: Room()].waitOrLead(turn) }) { return .ask }
        return await withTaskGroup(of: Void.self) { group in
            group.addTask {
                guard (try? await Task.sleep(until: deadline, clock: .continuous)) != nil else { return }
                turn.give(.failed(Self.tooLate))
            }
            defer { group.cancelAll() }
            return await turn.value
        }
    }

    private static let tooLate = RPCError(.deadlineExceeded, "the deadline passed before the key was proved")

    private func ask(_ workspace: WorkspaceID, deadline: ContinuousClock.Instant) async throws {
        let started = ContinuousClock.now
        let asked = rooms.withLock { $0[workspace].map { Array($0.keys.keys) } ?? [] }
        do {
            let live = try await store.in(
                WorkspaceScope(workspace, deadline: min(deadline, started + Self.patience))
            ).keys.live(among: asked)
            end(workspace, with: .done) { room in room.settle(asked: asked, live: live, at: started) }
        } catch {
            let failure = Self.failure(error)
            // Being cancelled or short of time is this caller's own trouble: the next one asks for itself.
            let isOwn = Task.isCancelled || ContinuousClock.now >= deadline
            end(workspace, with: isOwn ? .done : .failed(failure)) { _ in }
            throw failure
        }
    }

    private static func failure(_ error: any Error) -> any Error {
        guard let error = error as? PostgresError, error.kind != .cancelled else { return error }
        return RPCError(.unavailable, "the key can't be proved at the moment; try again", cause: error)
    }

    private func end(_ workspace: WorkspaceID, with turn: Turn, _ change: (inout Room) -> Void) {
        let waiters = rooms.withLock { rooms in
            change(&rooms[workspace, default: Room()])
            return rooms[workspace, default: Room()].endLook()
        }
        for waiter in waiters { waiter.give(turn) }
    }

    /// The keys of one workspace that are watched, and who waits for a look at them.
    private struct Room {
        var keys: [String: WatchedKey] = [:]
        private var isLooking = false
        private var waiters: [OneShot<Turn>] = []

        /// Whether nobody would miss this room.
        var isIdle: Bool { keys.isEmpty && !isLooking }

        mutating func withKey<R>(_ keyID: String, _ body: (inout WatchedKey) -> R) -> R {
            body(&keys[keyID, default: WatchedKey()])
        }

        /// True where the caller is to look; else `turn` comes of the look that is under way.
        mutating func waitOrLead(_ turn: OneShot<Turn>) -> Bool {
            guard isLooking else {
                isLooking = true
                return true
            }
            waiters.append(turn)
            return false
        }

        mutating func settle(asked: [String], live: Set<String>, at moment: ContinuousClock.Instant) {
            for keyID in asked where keys[keyID] != nil {
                withKey(keyID) { key in
                    // Invalidation is for good: a key that was dead once is dead.
                    key.isDead = key.isDead || !live.contains(keyID)
                    key.provenAt = key.isDead ? nil : moment
                }
            }
        }

        mutating func forget(unheardSince oldest: ContinuousClock.Instant) {
            keys = keys.filter { $0.value.heardAt >= oldest }
        }

        mutating func endLook() -> [OneShot<Turn>] {
            defer { (isLooking, waiters) = (false, []) }
            return waiters
        }
    }

    private struct WatchedKey {
        var provenAt: ContinuousClock.Instant?
        var isDead = false
        var heardAt = ContinuousClock.now
        var isUsed = false
        var recordedHour: Instant?
    }
}

// MARK: Last use

extension KeyGuard {
    /// Notes in the database which keys were used in this hour; each key once.
    func recordUses() async {
        let hour = Instant.now.hour
        for (workspace, keyIDs) in unrecorded(in: hour) {
            do {
                try await store.in(WorkspaceScope(workspace, deadline: .now + Self.patience)).keys.recordUse(
                    of: keyIDs, hour: hour)
                rooms.withLock { rooms in
                    for keyID in keyIDs where rooms[workspace]?.keys[keyID] != nil {
                        rooms[workspace]?.keys[keyID]?.recordedHour = hour
                        rooms[workspace]?.keys[keyID]?.isUsed = false
                    }
                }
            } catch {
                // The next round tries again, until the hour is over: nothing hangs on it.
                logger.debug("The last use of keys could not be recorded", metadata: ["cause": "\(error)"])
            }
        }
    }

    private func unrecorded(in hour: Instant) -> [(WorkspaceID, [String])] {
        rooms.withLock { rooms in
            rooms.compactMap { workspace, room in
                let due = room.keys.filter { $0.value.isUsed && $0.value.recordedHour != hour }.map(\.key)
                return due.isEmpty ? nil : (workspace, due)
            }
        }
    }

    private func forgetUnheard() {
        let oldest = ContinuousClock.now - Self.memory
        rooms.withLock { rooms in
            for workspace in Array(rooms.keys) {
                rooms[workspace]?.forget(unheardSince: oldest)
                if rooms[workspace]?.isIdle ?? true { rooms[workspace] = nil }
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
