import Locking
public import Logging
import MusterProtocol
public import Postgres

/// The data of all workspaces: PostgreSQL, and its caches in memory.
///
/// `in` returns the stores of one workspace for one call, one for each noun; `maintenance` does the background work.
public final class Store: Sendable {
    public let database: Database
    let cache: SetCache
    /// Which identifiers find which users, in memory.
    let directories: IdentityDirectories
    let cohortSets = CohortSets(byteLimit: 16 << 20)
    /// Sets at earlier versions, the users that match an attribute condition, and listings that are being paged.
    let derived: DerivedSets
    let seenUsers = BoundedCache<UserKey, SeenUser>(byteLimit: 64 << 20)
    /// When this process last completed an erasure or merge in each workspace: data read earlier must not answer any
    /// caller.
    let lastErasures = Locked<[WorkspaceID: ContinuousClock.Instant]>([:])
    let lookouts = Locked<[LookoutKey: Lookout]>([:])
    /// The segment in each workspace after which the next pass of recording sizes continues.
    let segmentsSized = Locked<[WorkspaceID: Identifier]>([:])
    /// When the monthly partitions of events were last maintained.
    let eventsKept = Locked<ContinuousClock.Instant?>(nil)
    let plans = Locked<[WorkspaceID: Plans]>([:])
    let pageTokenKeys = Locked<[WorkspaceID: [UInt8]]>([:])
    let digestKeys = IdentifierDigestKeys()
    /// Workspaces that have deprecated external ids, as of the last read of each.
    let deprecating = Locked<Set<WorkspaceID>>([])
    /// The journal of erasures outside of the database; nil if the operator configured none.
    public let journal: ErasureJournal?
    let logger: Logger
    /// Counters for the metrics.
    public let counts = StoreCounts()
    /// Lets tests pause a request at a known point; does nothing in a release build.
    public let failpoints = Failpoints()

    /// - Parameters:
    ///   - cacheBytes: memory for sets; the least recently used are evicted first.
    ///   - directoryBytes: memory for identity directories; 0 resolves all identifiers by SQL.
    public init(
        database: Database, cacheBytes: Int = 512 << 20, directoryBytes: Int = 512 << 20,
        journal: ErasureJournal? = nil, logger: Logger
    ) {
        self.database = database
        self.journal = journal
        self.logger = logger
        cache = SetCache(byteLimit: cacheBytes / 4 * 3)
        derived = DerivedSets(byteLimit: cacheBytes / 4)
        directories = IdentityDirectories(byteLimit: directoryBytes, database: database, logger: logger)
    }
}
