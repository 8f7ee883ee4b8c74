public import Logging
public import MusterProtocol
public import Postgres

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What Muster keeps in PostgreSQL, in all workspaces. The nouns' calls are in extensions, a folder each; the sets under them
/// know bitmaps and nothing of cohorts.
public final class Store: Sendable {
    public let database: Database
    let cache: SetCache
    let cohortSets = CohortSets(byteLimit: 16 << 20)
    /// Sets at earlier versions, the users that pass an attribute's test, and listings that are being paged.
    let derived: DerivedSets
    let seenUsers = BoundedCache<UserKey, SeenUser>(byteLimit: 64 << 20)
    /// When the last erasure or merge of each workspace here was done: what was read before is no answer any more, to whatever caller.
    let erasures = Locked<[WorkspaceID: ContinuousClock.Instant]>([:])
    let lookouts = Locked<[LookoutKey: Lookout]>([:])
    /// The segment in each workspace after which the next round of recording sizes goes on.
    let segmentsSized = Locked<[WorkspaceID: Identifier]>([:])
    /// When the months of events were last kept.
    let eventsKept = Locked<ContinuousClock.Instant?>(nil)
    let plans = Locked<[WorkspaceID: Plans]>([:])
    let pageTokenKeys = Locked<[WorkspaceID: [UInt8]]>([:])
    /// Workspaces that have deprecated external ids, as the last look at each found.
    let deprecating = Locked<Set<WorkspaceID>>([])
    /// Where erasures are written outside of the database; nil where the operator wants none.
    public let journal: ErasureJournal?
    let logger: Logger
    /// What it did, for the metrics.
    public let counts = StoreCounts()
    /// Where a test holds a request at a known place; does nothing in a release build.
    public let failpoints = Failpoints()

    /// - Parameter cacheBytes: memory for sets; the least recently used go first.
    public init(
        database: Database, cacheBytes: Int = 512 << 20, journal: ErasureJournal? = nil, logger: Logger
    ) {
        self.database = database
        self.journal = journal
        self.logger = logger
        cache = SetCache(byteLimit: cacheBytes / 4 * 3)
        derived = DerivedSets(byteLimit: cacheBytes / 4)
    }

    /// The call that work is for.
    ///
    /// A value of the task, since it belongs to the whole call and no noun has a use for it.
    @TaskLocal public static var call: CallTerms?

    /// One transaction that sees this workspace and no other. Work that a deadlock or a serialization failure ended is run again.
    func transaction<R: Sendable>(
        in workspace: WorkspaceID, deadline: ContinuousClock.Instant,
        _ body: @escaping @Sendable (borrowing Connection) throws -> R
    ) async throws -> R {
        var attempt = 0
        while true {
            do {
                return try await database.transaction(
                    for: Self.caller(workspace), variables: Self.wall(workspace),
                    lockTimeoutMilliseconds: Self.call?.lockWait?.milliseconds,
                    deadline: deadline, body)
            } catch let error as PostgresError where error.isWorthRunningAgain && attempt < 4 {
                attempt += 1
                try await Task.sleep(for: .milliseconds(Int.random(in: 1...(8 << attempt))))
            }
        }
    }

    /// A transaction of which each statement sees what is committed by then, and none may write: it takes the turns of
    /// reads.
    func readTransaction<R: Sendable>(
        in workspace: WorkspaceID, deadline: ContinuousClock.Instant,
        _ body: @escaping @Sendable (borrowing Connection) throws -> R
    ) async throws -> R {
        try await database.readTransaction(
            for: Self.caller(workspace), variables: Self.wall(workspace), deadline: deadline, body)
    }

    /// A transaction that only reads and sees one state of this workspace, without a lock.
    func snapshot<R: Sendable>(
        in workspace: WorkspaceID, deadline: ContinuousClock.Instant,
        _ body: @escaping @Sendable (borrowing Connection) throws -> R
    ) async throws -> R {
        try await database.snapshot(
            for: Self.caller(workspace), variables: Self.wall(workspace), deadline: deadline, body)
    }

    /// One statement that sees this workspace and no other, in one round trip.
    ///
    /// - Parameter isUrgent: it waits for no other work: for proofs of keys.
    func read<R: Sendable>(
        in workspace: WorkspaceID, isUrgent: Bool = false, deadline: ContinuousClock.Instant, _ sql: SQL,
        _ row: @escaping @Sendable (borrowing Row) throws -> R
    ) async throws -> [R] {
        try await database.read(
            for: Self.caller(workspace), isUrgent: isUrgent, variables: Self.wall(workspace), deadline: deadline, sql,
            row)
    }

    /// Why a call that begins by writing would be refused now; nil where it would not. It counts as refused.
    public func overload(of call: CallTerms, deadline: ContinuousClock.Instant) -> PostgresError? {
        database.overload(ofWritingFor: call.caller, deadline: deadline)
    }

    /// Work that belongs to no call, such as upkeep and exports, takes turns with the workspace's calls and is never
    /// refused for want of room: there is little of it at a time, and nobody who would repeat it.
    private static func caller(_ workspace: WorkspaceID) -> Caller {
        call?.caller ?? Caller(group: Int64(workspace.rawValue), hasBegun: true)
    }

    private static func wall(_ workspace: WorkspaceID) -> [(String, String)] {
        [("muster.workspace", String(workspace.rawValue))]
    }
}

/// What the database has to know of a call.
public struct CallTerms: Sendable {
    /// Whose turns and places its work takes.
    public let caller: Caller
    /// How long it waits for each lock that another call holds; nil is what the settings of the database say.
    public let lockWait: Duration?

    /// A call of this workspace by this key.
    public init(of workspace: WorkspaceID, keyID: String, lockWait: Duration?) {
        caller = Caller(group: Int64(workspace.rawValue), member: Int64(keyID.hashValue))
        self.lockWait = lockWait
    }
}

extension Duration {
    /// Whole milliseconds; at least one, since PostgreSQL takes 0 for ever.
    fileprivate var milliseconds: Int { max(1, Int(self / .milliseconds(1))) }
}

extension PostgresError {
    /// A deadlock or a serialization failure: nothing was applied, and the same work may go through now.
    var isWorthRunningAgain: Bool { sqlState == .deadlockDetected || sqlState == .serializationFailure }
}

extension Instant {
    /// Now, by this machine's clock. Times are for people: nothing is ordered by them.
    public static var now: Instant {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Instant(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)
    }
}
