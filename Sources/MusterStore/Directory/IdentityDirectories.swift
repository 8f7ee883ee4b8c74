import Locking
import Logging
import MusterUsers
import Postgres

/// The identity directories of all workspaces in use, within one bound of bytes.
///
/// A directory is loaded in the background when it is first asked for, one at a time in the process; until then
/// identifiers are resolved by SQL. The one that is loading counts with an estimate of its size. It may take the place
/// of directories that nobody has used for a minute, the least recently used first, and of no others: two that don't
/// fit together would take turns at being loaded.
///
/// A load that fails, or finds no room, is tried again after a minute at the earliest. One of a directory larger than
/// the bound is tried again after ten, and then ends after one statement, since the size of a user is known.
/// Directories that outgrow the bound by changes are dropped, the least recently used first.
final class IdentityDirectories: Sendable {
    /// How long each thing waits; tests wait less.
    struct Patience: Sendable {
        /// Until a load is tried again that failed or found no room.
        var afterFailure = Duration.seconds(60)
        /// Until one is tried again that was larger than the bound.
        var afterTooLarge = Duration.seconds(600)
        /// For how long after its last use a directory keeps its place from one that is loading.
        var inUse = Duration.seconds(60)
    }

    /// What is known of one workspace.
    private struct Place {
        var key: (bytes: [UInt8], key: IdentifierDigestKey)?
        var directory: IdentityDirectory?
        var lastUsed: ContinuousClock.Instant
        /// No load begins before.
        var notBefore: ContinuousClock.Instant?
        /// Whether its load runs, or waits for its turn.
        var isWanted = false
        var bytesPerUser = 24
    }

    private struct State {
        var places: [WorkspaceID: Place] = [:]
        /// The workspaces whose loads wait.
        var waiting: [WorkspaceID] = []
        var isLoading = false
        /// The estimate for the directory that is loading.
        var loadingBytes = 0
        var nextTrim = ContinuousClock.now
        var counts = DirectoryUsage()
    }

    private let byteLimit: Int
    private let database: Database
    private let logger: Logger
    private let patience: Patience
    private let state = Locked(State())

    /// - Parameter byteLimit: for all directories together; 0 turns them off.
    init(byteLimit: Int, database: Database, patience: Patience = Patience(), logger: Logger) {
        (self.byteLimit, self.database, self.patience, self.logger) = (byteLimit, database, patience, logger)
    }

    /// The directory of a workspace; nil while it is absent, too large or loading. If it is absent, its load begins in
    /// the background.
    ///
    /// A caller keeps it for one answer or one refresh, so that its memory is free soon after it had to make room.
    func directory(of workspace: WorkspaceID) -> IdentityDirectory? {
        guard byteLimit > 0 else { return nil }
        let now = ContinuousClock.now
        let (directory, begins) = state.withLock { state in
            if now >= state.nextTrim { trim(&state, at: now) }
            guard let directory = state.places[workspace]?.directory else {
                return (nil as IdentityDirectory?, want(workspace, &state, at: now))
            }
            state.places[workspace]?.lastUsed = now
            return (directory, false)
        }
        if begins { beginLoading() }
        return directory
    }

    /// The key of a workspace's digests; nil until it is known. If it isn't, the load of the directory begins in the
    /// background.
    func digestKey(of workspace: WorkspaceID) -> IdentifierDigestKey? {
        guard byteLimit > 0 else { return nil }
        let (key, begins) = state.withLock { state in
            if let known = state.places[workspace]?.key { return (known.key as IdentifierDigestKey?, false) }
            return (nil, want(workspace, &state, at: .now))
        }
        if begins { beginLoading() }
        return key
    }

    /// Drops a directory that could not be brought up to date. It is loaded anew when it is next asked for, but not
    /// twice within a minute.
    func drop(_ directory: IdentityDirectory, of workspace: WorkspaceID) {
        state.withLock { state in
            guard state.places[workspace]?.directory === directory else { return }
            state.places[workspace]?.directory = nil
            state.counts.dropped += 1
        }
    }

    /// Figures for the metrics.
    var usage: DirectoryUsage {
        state.withLock { state in
            var usage = state.counts
            let directories = state.places.values.compactMap(\.directory)
            usage.directories = directories.count
            usage.identifiers = directories.reduce(0) { $0 + $1.count }
            usage.bytes = bytes(state)
            usage.loading = state.isLoading ? 1 : 0
            return usage
        }
    }
}

// MARK: Loading

extension IdentityDirectories {
    /// Notes that a workspace wants a directory. Returns whether the caller must begin to load.
    private func want(_ workspace: WorkspaceID, _ state: inout State, at now: ContinuousClock.Instant) -> Bool {
        var place = state.places[workspace] ?? Place(lastUsed: now)
        place.lastUsed = now
        defer { state.places[workspace] = place }
        if place.isWanted { return false }
        if let notBefore = place.notBefore, now < notBefore { return false }
        place.isWanted = true
        state.waiting.append(workspace)
        defer { state.isLoading = true }
        return !state.isLoading
    }

    /// A task of its own, and of no call, since a directory is for later calls and takes longer than any waits.
    private func beginLoading() { Task { await loadWaiting() } }

    private func loadWaiting() async {
        while let (workspace, bytesPerUser) = next() {
            let loading = DirectoryLoading(database: database, workspace: workspace, bytesPerUser: bytesPerUser)
            var users = 0
            var estimate = 0
            do {
                let directory = try await loading.load { start in
                    users = start.users
                    try learn(start, of: workspace)
                } mayTake: { bytes in
                    estimate = bytes
                    return takes(bytes, for: workspace)
                }
                finish(workspace, directory, users: users)
            } catch {
                fail(workspace, error, estimate: estimate, users: users)
            }
        }
    }

    private func next() -> (WorkspaceID, bytesPerUser: Int)? {
        state.withLock { state in
            guard let workspace = state.waiting.first, let place = state.places[workspace] else {
                state.isLoading = false
                return nil
            }
            state.waiting.removeFirst()
            return (workspace, place.bytesPerUser)
        }
    }

    private func learn(_ start: DirectoryStart, of workspace: WorkspaceID) throws {
        let key = try start.key
        let isSame = state.withLock { state in
            let known = state.places[workspace]?.key?.bytes
            if known == nil { state.places[workspace]?.key = (start.keyBytes, key) }
            return known == nil || known == start.keyBytes
        }
        if !isSame { throw DirectoryProblem.otherKey }
    }

    /// Lets the directory that is loading take this many bytes, if others that are not in use make enough room.
    private func takes(_ bytes: Int, for workspace: WorkspaceID) -> Bool {
        guard bytes <= byteLimit else { return false }
        let lastUse = ContinuousClock.now - patience.inUse
        return state.withLock { state in
            state.loadingBytes = bytes
            while self.bytes(state) > byteLimit {
                guard evict(&state, usedBefore: lastUse) != nil else { return false }
            }
            return true
        }
    }

    private func finish(_ workspace: WorkspaceID, _ directory: IdentityDirectory, users: Int) {
        let now = ContinuousClock.now
        state.withLock { state in
            state.loadingBytes = 0
            state.counts.loads += 1
            state.places[workspace]?.isWanted = false
            state.places[workspace]?.directory = directory
            state.places[workspace]?.lastUsed = now
            state.places[workspace]?.notBefore = now + patience.afterFailure
            if users > 0 { state.places[workspace]?.bytesPerUser = max(24, directory.byteCount / users) }
            trim(&state, at: now)
        }
    }

    private func fail(_ workspace: WorkspaceID, _ error: any Error, estimate: Int, users: Int) {
        let isTooLarge = error is DirectoryProblem && estimate > byteLimit
        state.withLock { state in
            state.loadingBytes = 0
            if isTooLarge { state.counts.tooLarge += 1 } else { state.counts.failures += 1 }
            state.places[workspace]?.isWanted = false
            state.places[workspace]?.notBefore =
                ContinuousClock.now + (isTooLarge ? patience.afterTooLarge : patience.afterFailure)
            if isTooLarge, users > 0 { state.places[workspace]?.bytesPerUser = max(24, estimate / users) }
        }
        logger.notice(
            "No identity directory for a workspace: its identifiers are resolved by SQL",
            metadata: ["workspace": .stringConvertible(workspace.rawValue), "cause": "\(error)"])
    }
}

// MARK: The bound

extension IdentityDirectories {
    private func bytes(_ state: State) -> Int {
        state.places.values.reduce(state.loadingBytes) { $0 + ($1.directory?.byteCount ?? 0) }
    }

    /// Drops directories beyond the bound, which grow by changes. Once a second is enough, since they grow slowly.
    private func trim(_ state: inout State, at now: ContinuousClock.Instant) {
        state.nextTrim = now + .seconds(1)
        while bytes(state) > byteLimit {
            guard let evicted = evict(&state, usedBefore: now + .seconds(1)) else { return }
            // It will not be smaller when it is loaded next.
            if evicted.byteCount > byteLimit {
                state.places[evicted.workspace]?.notBefore = now + patience.afterTooLarge
            }
        }
    }

    /// Drops the least recently used directory, if its last use was before a time.
    private func evict(
        _ state: inout State, usedBefore time: ContinuousClock.Instant
    ) -> (workspace: WorkspaceID, byteCount: Int)? {
        let loaded = state.places.filter { $0.value.directory != nil && $0.value.lastUsed < time }
        guard let (workspace, place) = loaded.min(by: { $0.value.lastUsed < $1.value.lastUsed }) else { return nil }
        state.places[workspace]?.directory = nil
        state.counts.evictions += 1
        return (workspace, place.directory?.byteCount ?? 0)
    }
}
