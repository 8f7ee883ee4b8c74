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
    /// Memory and loops of the reads.
    let reads: ReadEngine
    /// The segment in each workspace after which the next pass of recording sizes continues.
    let segmentsSized = Locked<[WorkspaceID: Identifier]>([:])
    /// When the monthly partitions of events were last maintained.
    let eventsKept = Locked<ContinuousClock.Instant?>(nil)
    let pageTokenKeys = Locked<[WorkspaceID: [UInt8]]>([:])
    let digestKeys = IdentifierDigestKeys()
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
        directories = IdentityDirectories(byteLimit: directoryBytes, database: database, logger: logger)
        reads = ReadEngine(
            ReadResources(
                database: database, sets: cache, derived: DerivedSets(byteLimit: cacheBytes / 4),
                directories: directories, counts: counts, failpoints: failpoints))
    }
}
