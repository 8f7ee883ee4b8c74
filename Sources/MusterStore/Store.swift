import Locking
public import Logging
import MusterProtocol
public import Postgres

/// What Muster keeps in PostgreSQL, and what of it is in memory, in all workspaces.
///
/// `in` gives the stores of one workspace for one call, a noun each; `maintenance` does what no call asks for.
public final class Store: Sendable {
    public let database: Database
    let cache: SetCache
    let cohortSets = CohortSets(byteLimit: 16 << 20)
    /// Sets at earlier versions, the users that pass an attribute's test, and listings that are being paged.
    let derived: DerivedSets
    let seenUsers = BoundedCache<UserKey, SeenUser>(byteLimit: 64 << 20)
    /// When the last erasure or merge of each workspace here was done: what was read before is no answer any more, to
    /// whatever caller.
    let lastErasures = Locked<[WorkspaceID: ContinuousClock.Instant]>([:])
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
}
