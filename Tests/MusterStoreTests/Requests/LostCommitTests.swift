import MusterProtocol
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

@Suite(.enabled(if: PrivateCluster.isPossible, "PostgreSQL's programs are not on this machine"))
struct LostCommitTests {
    /// COMMIT waits for a missing standby, and then its backend is ended: it is applied, and its reply is lost.
    @Test func aCommitWithoutAReplyIsResolvedOrReportedAsUnknown() async throws {
        try await PrivateCluster.with { cluster in
            let url = cluster.url
            // A session of its own choice: this one waits for no standby.
            try await TestDatabase.open(url + " options='-c synchronous_commit=local'") { owner in
                let workspace = try await Self.prepare(owner)
                try await TestDatabase.open(url + " user=muster_server", connections: 4) { database in
                    let store = Store(database: database, logger: quietLogger)
                    for requestID in [nil, "r"] as [Identifier?] {
                        try await Self.loseACommit(of: store, workspace, owner, requestID)
                    }
                    try await Self.loseEveryCommit(of: store, workspace, owner)
                }
            }
        }
    }

    private static func loseACommit(
        of store: Store, _ workspace: WorkspaceID, _ owner: Database, _ requestID: Identifier?
    ) async throws {
        let before = try await store.in(workspace).users.upsert(
            [.external("kept"), .external("gone")], request: IdempotencyKey(method: "users.upsert"))
        #expect(before.results.last?.outcome == .created)
        try await owner.waitForStandbys(true)
        let request = requestID.map {
            IdempotencyKey(method: "users.merge", requestID: $0, digest: [UInt8](repeating: 1, count: 32))
        }
        async let reply = store.in(workspace).users.merge(
            .externalID("gone"), into: .externalID("kept"), request: request ?? IdempotencyKey(method: "users.merge"))
        try await owner.endAllWaiters()
        try await owner.waitForStandbys(false)
        // A second run would find no user to merge: the recorded request decides.
        #expect(try await reply.changedSets == 0)
        #expect(try await store.in(workspace).users.get(.externalID("gone")) == nil)
    }

    private static func loseEveryCommit(of store: Store, _ workspace: WorkspaceID, _ owner: Database) async throws {
        try await owner.waitForStandbys(true)
        async let outcome = Self.upsert("u-1", into: store, workspace, deadline: .now + .milliseconds(1_500))
        #expect(try await owner.eventually { $0 > 0 }, "COMMIT waits for a standby")
        let kind = await outcome
        #expect(kind == .commitOutcomeUnknown)
        // The deadline cancels the wait and leaves the commit; no backend has to be ended.
        #expect(try await owner.eventually { $0 == 0 }, "nobody waits for a standby any more")
        let user = try await store.in(workspace).users.get(.externalID("u-1"))
        #expect(user != nil)
        try await owner.waitForStandbys(false)
    }

    private static func upsert(
        _ id: Identifier, into store: Store, _ workspace: WorkspaceID, deadline: ContinuousClock.Instant
    ) async -> PostgresError.Kind? {
        do {
            _ = try await store.in(WorkspaceScope(workspace, deadline: deadline)).users.upsert(
                [.external(id)], request: IdempotencyKey(method: "users.upsert"))
            return nil
        } catch { return (error as? PostgresError)?.kind }
    }

    private static func prepare(_ owner: Database) async throws -> WorkspaceID {
        let schema = Schema(database: owner)
        try await schema.migrate(logger: quietLogger, deadline: .soon)
        let made = try await schema.createWorkspace(name: "w", at: .now, deadline: .soon) { _ in
            NewKey(
                keyID: "k_0", digest: [UInt8](repeating: 1, count: 32), kind: .service, name: "k", scopes: ["*"],
                createdAt: .now)
        }
        return try #require(made)
    }
}

extension Database {
    fileprivate func waitForStandbys(_ waits: Bool) async throws {
        try await withConnection(deadline: .soon) { connection in
            try connection.run(
                script: waits
                    ? "ALTER SYSTEM SET synchronous_standby_names = 'nobody'"
                    : "ALTER SYSTEM RESET synchronous_standby_names")
            try connection.execute("SELECT pg_reload_conf()")
        }
        // The reload reaches each session on its own, the next statement of one says nothing of another's.
        try await Task.sleep(for: .milliseconds(200))
    }

    /// Whether the number of sessions that wait for a standby comes to what is wanted.
    fileprivate func eventually(_ isWanted: (Int) -> Bool) async throws -> Bool {
        for _ in 0..<500 {
            let waiting = try await withConnection(deadline: .soon) { connection in
                try connection.query("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'") { _ in 1 }.count
            }
            if isWanted(waiting) { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    fileprivate func endAllWaiters() async throws {
        for _ in 0..<500 {
            let ended = try await withConnection(deadline: .soon) { connection in
                try connection.query(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
                ) { _ in 1 }.count
            }
            if ended > 0 { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("nobody waited for a standby")
    }
}
