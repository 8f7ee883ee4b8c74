import Dispatch
import Locking
import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// Snapshots are written while imports go on, may be ended at any point, and change no answer.
@Suite struct CompactionTests {
    @Test func aCompactionDoesNotBlockImports() async throws {
        try await ServerPair.with(users: .users(0..<20)) { pair in
            try await pair.throughA.importCohort("c", adding: ["u-0"])
            // The first snapshot of a set, and a later one.
            for round in 1..<3 {
                try await holding(.wholeTable, pair) { compact in
                    for place in 0..<6 {
                        let started = ContinuousClock.now
                        let user = Identifier("u-\(round * 6 + place)")
                        try await pair.clients[place % 2].importCohort("c", adding: [user])
                        #expect(ContinuousClock.now - started < .seconds(1))
                    }
                    #expect(try await pair.throughA.size(of: .cohort("c")) == round * 6 + 1)
                    return try await compact.finish()
                }
                try await expect(round * 6 + 1, pair)
            }
        }
    }

    /// Ended before its first chunk, and between two.
    @Test func anAbortedCompactionChangesNothing() async throws {
        try await ServerPair.with(users: .users(0..<20)) { pair in
            try await spreadNumbers(pair)
            try await pair.throughA.importCohort("c", adding: .users(0..<30))
            try await holding(.wholeTable, pair) { compact in try await compact.abort() }
            try await expect(30, pair)
            #expect(try await compact("c", pair.a, pair) > 0)
            try await pair.throughB.importCohort("c", adding: .users(30..<35), removing: .users(0..<2))
            // Now each chunk has a row: the compaction writes the first and reaches the second.
            try await holding(.row(chunk: 1), pair) { compact in try await compact.abort() }
            try await expect(33, pair)
            #expect(try await compact("c", pair.b, pair) > 0)
            try await expect(33, pair)
        }
    }

    @Test func concurrentCompactionsHaveOneEffect() async throws {
        try await ServerPair.with(users: .users(0..<200)) { pair in
            try await pair.throughA.importCohort("c", adding: ["u-0"])
            let imports = Task {
                for number in 1..<150 {
                    try await pair.clients[number % 2].importCohort("c", adding: [Identifier("u-\(number)")])
                }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for server in pair.servers + pair.servers {
                    group.addTask {
                        for _ in 0..<25 { try await compact("c", server, pair) }
                    }
                }
                try await group.waitForAll()
            }
            try await imports.value
            try await expect(150, pair)
        }
    }

    // MARK: Earlier versions

    @Test func versionsBeforeTheSnapshotAreReadBackwards() async throws {
        try await ServerPair.with(users: .users(0..<40)) { pair in
            var states: [Set<Identifier>] = [[]]
            for round in 0..<12 {
                let adding = [Identifier].users(round * 3..<round * 3 + 4)
                let removing = [Identifier].users(round..<round + 1)
                try await pair.clients[round % 2].importCohort("c", adding: adding, removing: removing)
                states.append((states.last ?? []).union(adding).subtracting(removing))
                if [4, 9].contains(round) { try await compact("c", pair.a, pair) }
            }
            for client in try await fresh(pair) {
                for (version, state) in states.enumerated() {
                    let members = try await client.members(ofCohort: "c", at: Int64(version)).compactMap(\.externalID)
                    #expect(Set(members) == state)
                    #expect(members.count == state.count)
                }
            }
        }
    }

    @Test func aPrunedVersionIsOutOfRangeAndTheOthersAreExact() async throws {
        try await ServerPair.with(users: .users(0..<20)) { pair in
            for number in 0..<10 { try await pair.throughA.importCohort("c", adding: [Identifier("u-\(number)")]) }
            try await compact("c", pair.a, pair)
            for number in 10..<12 { try await pair.throughA.importCohort("c", adding: [Identifier("u-\(number)")]) }
            let (workspace, set) = (pair.workspace.id, try await pair.numberOfSet("c"))
            try await pair.asOwner { connection in
                // The newer ones get a wrong time: a gap in the middle would count as damage.
                try connection.execute(
                    """
                    UPDATE set_change SET changed_at = changed_at - interval '3 days'
                    WHERE workspace_id = \(workspace) AND set_number = \(set) AND (version <= 5 OR version IN (7, 11))
                    """)
            }
            #expect(try await pair.a.store.maintenance.run(Retention(historyDays: 1)).changesPruned == 5)
            try await expect(12, pair)
            for client in try await fresh(pair) {
                for version in 1..<5 {
                    let call = ListCohortMembers(partner: "tinyclues", cohortID: "c", atVersion: Int64(version))
                    #expect(await client.code(of: call) == .outOfRange)
                    let difference = DiffCohort(
                        partner: "tinyclues", cohortID: "c", fromVersion: Int64(version), atVersion: 12)
                    #expect(await client.code(of: difference) == .outOfRange)
                }
                for version in 5..<13 {
                    #expect(try await client.members(ofCohort: "c", at: Int64(version)).count == version)
                }
            }
            try await pair.throughB.importCohort("c", adding: ["u-12"])
            try await expect(13, pair)
        }
    }

    // MARK: Helpers

    @discardableResult
    private func compact(_ cohort: Identifier, _ server: TestServer, _ pair: ServerPair) async throws -> Int64 {
        let set = SetKey(workspace: pair.workspace.id, number: try await pair.numberOfSet(cohort))
        return try await server.store.maintenance.in(set.workspace).compact(set)
    }

    /// Users from `u-20` on get numbers in another chunk.
    private func spreadNumbers(_ pair: ServerPair) async throws {
        let workspace = pair.workspace.id
        try await pair.asOwner { connection in
            try connection.execute(
                "UPDATE set_head SET next_user_number = 1 << 20 WHERE workspace_id = \(workspace) AND kind = 'everyone'"
            )
        }
        try await pair.register(.users(20..<40))
    }

    /// The size of the cohort is `size` from the cache and from the rows, and verify finds no problem.
    private func expect(_ size: Int, _ pair: ServerPair, sourceLocation: SourceLocation = #_sourceLocation) async throws
    {
        for client in pair.clients + (try await fresh(pair)) {
            #expect(try await client.size(of: .cohort("c")) == size, sourceLocation: sourceLocation)
            #expect(try await client.members(ofCohort: "c").count == size, sourceLocation: sourceLocation)
        }
        try await pair.expectSound(sourceLocation: sourceLocation)
    }

    /// Clients of servers whose caches are dropped.
    private func fresh(_ pair: ServerPair) async throws -> [MusterClient] {
        for server in pair.servers { server.store.forgetSets(of: pair.workspace.id) }
        return pair.clients
    }

    /// Runs `body` while a compaction of `c` waits for a lock of another transaction.
    private func holding(_ lock: HeldCompaction.Lock, _ pair: ServerPair, _ body: (HeldCompaction) async throws -> Void)
        async throws
    {
        let set = SetKey(workspace: pair.workspace.id, number: try await pair.numberOfSet("c"))
        try await TestDatabase.open(pair.database.ownerURL) { database in
            let compact = HeldCompaction(set: set, owner: database)
            try await compact.begin(lock, in: pair.b.store)
            do { try await body(compact) } catch {
                compact.letGo()
                throw error
            }
        }
    }
}

/// A compaction that waits in the middle, for a lock that the owner of the tables holds.
private final class HeldCompaction: Sendable {
    enum Lock {
        case wholeTable
        case row(chunk: Int32)
    }

    private let set: SetKey
    private let owner: Database
    private let released = DispatchSemaphore(value: 0)
    private let tasks = Locked<(lock: Task<Void, any Error>, compact: Task<Int64, any Error>)?>(nil)

    init(set: SetKey, owner: Database) { (self.set, self.owner) = (set, owner) }

    func begin(_ lock: Lock, in store: Store) async throws {
        let (set, owner, released) = (set, owner, released)
        let locked = Flag()
        let locking = Task {
            try await owner.transaction(deadline: .soon) { connection in
                switch lock {
                case .wholeTable: try connection.execute("LOCK TABLE set_chunk IN EXCLUSIVE MODE")
                case .row(let chunk):
                    let found = try connection.query(
                        """
                        SELECT 1 FROM set_chunk WHERE workspace_id = \(set.workspace) AND set_number = \(set.number)
                            AND chunk = \(chunk) FOR UPDATE
                        """
                    ) { _ in 1 }
                    #expect(found.count == 1)
                }
                locked.raise()
                // On the connection's own thread.
                released.wait()
            }
        }
        try await waitUntil("the owner has the lock") { locked.isRaised }
        let compacting = Task { try await store.maintenance.in(set.workspace).compact(set) }
        tasks.withLock { $0 = (locking, compacting) }
        try await waitUntil("a compaction waits") { try await self.waiting() == 1 }
    }

    /// Backends of servers that wait for a lock on chunks.
    private func waiting(ending: Bool = false) async throws -> Int {
        try await owner.withConnection(deadline: .soon) { connection in
            try connection.query(
                """
                SELECT CASE WHEN \(ending) THEN pg_terminate_backend(pid) END FROM pg_stat_activity
                WHERE usename = 'muster_server' AND datname = current_database() AND wait_event_type = 'Lock'
                    AND query LIKE '%INSERT INTO set_chunk%'
                """
            ) { _ in 1 }.count
        }
    }

    func letGo() { released.signal() }

    func finish() async throws {
        letGo()
        guard let (lock, compact) = tasks.withLock({ $0 }) else { return }
        try await lock.value
        #expect(try await compact.value > 0)
    }

    /// Ends the compaction's backend before it releases the lock.
    func abort() async throws {
        #expect(try await waiting(ending: true) == 1)
        guard let (lock, compact) = tasks.withLock({ $0 }) else { return }
        await #expect(throws: PostgresError.self) { try await compact.value }
        letGo()
        try await lock.value
    }
}

func waitUntil(_ what: Comment, _ condition: () async throws -> Bool) async throws {
    for _ in 0..<300 {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(5))
    }
    Issue.record("not so in time: \(what)")
}
