import MusterProtocol
import MusterTestSupport
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import MusterHandlers
@testable import MusterStore

struct KeyRevocationTests {
    @Test func anInvalidatedKeyEndsCallsAndSessionsWithinASecondOnEveryServer() async throws {
        try await TestDatabase.with { test in
            try await test.withStore { store in
                try await test.withStore { secondStore in
                    let (first, second) = (KeyFixture(store, test.workspace), KeyFixture(secondStore, test.workspace))
                    let made = try await first.keys.create(
                        CreateKey(kind: .service, name: "x", scopes: ["*"]), first.caller("*"))
                    let session = try await second.open(made.secret)
                    let other = try await second.open(
                        try await first.keys.create(
                            CreateKey(kind: .service, name: "y", scopes: ["*"]), first.caller("*")
                        ).secret)
                    try await watching(second.monitor, [session, other]) { ended in
                        _ = try await first.keys.invalidate(.init(keyID: made.keyID), first.caller("*"))
                        let invalidated = ContinuousClock.now
                        try await untilRefused(second.monitor, session, since: invalidated)
                        while !ended().contains(made.keyID) { try await Task.sleep(for: .milliseconds(5)) }
                        #expect(ContinuousClock.now - invalidated < .seconds(1))
                        #expect(!ended().contains(other.keyID))
                        try second.monitor.verify(other)
                    }
                }
            }
        }
    }

    /// One connection and a queue of 512: a query a call would be refused.
    @Test func callsAreProvedByPollsAlone() async throws {
        try await TestDatabase.with { test in
            try await test.withStore(connections: 1) { store in
                let rig = KeyFixture(store, test.workspace)
                let made = try await rig.keys.create(
                    CreateKey(kind: .service, name: "x", scopes: ["*"]), rig.caller("*"))
                let session = try await rig.open(made.secret)
                try await watching(rig.monitor, [session]) { _ in
                    try await Task.sleep(for: KeyRevocationMonitor.maxAge + .milliseconds(10))
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for _ in 0..<5_000 { group.addTask { try rig.monitor.verify(session) } }
                        try await group.waitForAll()
                    }
                }
            }
        }
    }

    @Test func withoutPostgreSQLNoKeyIsVerified() async throws {
        try await TestDatabase.with { test in
            var settings = DatabaseSettings(connectionString: test.serverURL)
            settings.connections = 1
            let database = Database(settings, logger: quietLogger)
            let rig = KeyFixture(Store(database: database, logger: quietLogger), test.workspace)
            let made = try await rig.keys.create(
                CreateKey(kind: .service, name: "x", scopes: ["*"]), rig.caller("*"))
            let session = try await rig.open(made.secret)
            try rig.monitor.verify(session)
            await database.close()
            try await Task.sleep(for: KeyRevocationMonitor.maxAge + .milliseconds(10))
            let error = #expect(throws: RPCError.self) {
                try rig.monitor.verify(session)
            }
            #expect(error?.code == .unavailable)
        }
    }

    @Test func theLastUseIsRecordedToTheHour() async throws {
        try await KeyFixture.with { rig in
            let made = try await rig.keys.create(
                CreateKey(kind: .service, name: "x", scopes: ["*"]), rig.caller("*"))
            #expect(try await lastUse(made.keyID, rig) == nil)
            _ = try await rig.open(made.secret)
            func hour() -> Int64 { Instant.now.microseconds / 3_600_000_000 * 3_600_000_000 }
            let before = hour()
            await rig.monitor.recordUses()
            let stored = try await rig.store.in(rig.workspace).read(
                "SELECT last_used_at FROM api_key WHERE workspace_id = \(rig.workspace) AND key_id = \(made.keyID)"
            ) { row in try row.value(0, as: Instant.self) }
            #expect(stored.count == 1 && stored.allSatisfy { [before, hour()].contains($0.microseconds) }, "\(stored)")
            // The last use is never earlier than the key.
            let key = try await rig.keys.list(ListKeys(), rig.caller("*")).keys.first { $0.keyID == made.keyID }
            #expect(
                key?.lastUsedAt.map { used in stored.allSatisfy { used >= $0 } && used >= key?.createdAt ?? .now }
                    == true)
        }
    }

    /// A call waits while a poll is slow; once one has failed, calls are refused at once until the next success.
    @Test func callsWaitForASlowPollAndNotForAFailedOne() async throws {
        try await TestDatabase.with { test in
            try await test.withStore { store in
                let rig = KeyFixture(store, test.workspace)
                let made = try await rig.keys.create(
                    CreateKey(kind: .service, name: "x", scopes: ["*"]), rig.caller("*"))
                let session = try await rig.open(made.secret)
                try await watching(rig.monitor, [session]) { ended in
                    async let slow: Void = holdKeys(in: test, seconds: 1.3)
                    try await untilLocked(store)
                    try await Task.sleep(for: KeyRevocationMonitor.maxAge + .milliseconds(50))
                    try await rig.monitor.verify(session, deadline: .soon)
                    try await slow

                    async let stalled: Void = holdKeys(in: test, seconds: 3)
                    try await untilLocked(store)
                    try await Task.sleep(for: .milliseconds(2_200))
                    let asked = ContinuousClock.now
                    let error = await #expect(throws: RPCError.self) {
                        try await rig.monitor.verify(session, deadline: .soon)
                    }
                    #expect(error?.code == .unavailable && ContinuousClock.now - asked < .milliseconds(100))
                    try await stalled
                    #expect(await eventually { (try? rig.monitor.verify(session)) != nil })
                    #expect(ended().isEmpty)
                }
            }
        }
    }

    private func holdKeys(in test: TestDatabase, seconds: Double) async throws {
        try await TestDatabase.open(test.ownerURL, connections: 1) { owner in
            try await owner.transaction(deadline: .soon) { connection in
                try connection.execute("LOCK TABLE api_key")
                try connection.execute("SELECT pg_sleep(\(seconds))")
            }
        }
    }

    private func untilLocked(_ store: Store) async throws {
        for _ in 0..<500 {
            let locks = try await store.database.read(
                deadline: .soon,
                """
                SELECT 1 FROM pg_locks WHERE relation = 'api_key'::regclass AND granted
                    AND mode IN ('AccessExclusiveLock', 'RowShareLock')
                """
            ) { _ in true }
            if !locks.isEmpty { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record("nobody locked the keys")
    }

    @Test func sessionsEndEvenIfRecordingTheLastUseWaits() async throws {
        try await TestDatabase.with { test in
            try await test.withStore { store in
                let rig = KeyFixture(store, test.workspace)
                let made = try await rig.keys.create(
                    CreateKey(kind: .service, name: "x", scopes: ["*"]), rig.caller("*"))
                let session = try await rig.open(made.secret)
                let other = try await rig.keys.create(
                    CreateKey(kind: .service, name: "y", scopes: ["*"]), rig.caller("*"))
                let held = try await rig.open(other.secret)
                async let lock: Void = TestDatabase.open(test.ownerURL, connections: 1) { owner in
                    try await owner.transaction(deadline: .soon) { connection in
                        try connection.execute("SELECT FROM api_key WHERE key_id = \(other.keyID) FOR UPDATE")
                        try connection.execute("SELECT pg_sleep(3)")
                    }
                }
                try await untilLocked(store)
                try await watching(rig.monitor, [session, held]) { ended in
                    try await Task.sleep(for: .milliseconds(100))
                    _ = try await rig.keys.invalidate(InvalidateKey(keyID: made.keyID), rig.caller("*"))
                    let started = ContinuousClock.now
                    while !ended().contains(made.keyID), .now - started < .seconds(3) {
                        try await Task.sleep(for: .milliseconds(5))
                    }
                    #expect(.now - started < .seconds(1))
                }
                try await lock
            }
        }
    }

    /// Runs the loop of a server that has these sessions open; `ended` tells the keys whose sessions it has ended.
    private func watching(
        _ monitor: KeyRevocationMonitor, _ open: [Session], _ body: (@Sendable () -> Set<String>) async throws -> Void
    ) async throws {
        let ended = EndedKeys()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await monitor.run { isMeant in ended.add(open.filter(isMeant).map(\.keyID)) }
            }
            defer { group.cancelAll() }
            try await body { ended.all }
        }
    }

    private func untilRefused(
        _ monitor: KeyRevocationMonitor, _ session: Session, since: ContinuousClock.Instant
    ) async throws {
        while ContinuousClock.now - since < .seconds(1) {
            do {
                try monitor.verify(session)
                try await Task.sleep(for: .milliseconds(5))
            } catch let error as RPCError {
                #expect(error.code == .unauthenticated)
                return
            }
        }
        Issue.record("a call went ahead a second after its key was invalidated")
    }

    private func lastUse(_ keyID: String, _ rig: KeyFixture) async throws -> Instant? {
        try await rig.keys.list(ListKeys(), rig.caller("*")).keys.first { $0.keyID == keyID }?.lastUsedAt
    }
}

private final class EndedKeys: Sendable {
    private let keys = Mutex<Set<String>>([])

    var all: Set<String> { keys.withLock { $0 } }

    func add(_ more: [String]) { keys.withLock { $0.formUnion(more) } }
}

extension KeyRevocationMonitor {
    /// Throws if the session's key has ended or was not proved lately.
    func verify(_ session: Session) throws(RPCError) {
        guard try proof(of: session) != nil else { throw Self.unproved }
    }
}
