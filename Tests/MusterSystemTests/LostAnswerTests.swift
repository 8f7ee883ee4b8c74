import MusterClient
import MusterHandlers
import MusterProtocol
import MusterStore
import MusterTestSupport
import Postgres
import TestSupport
import Testing

/// COMMIT waits for a missing standby, and then its backend is ended: it is applied, and its reply is lost.
@Suite(.enabled(if: PrivateCluster.isPossible, "PostgreSQL's programs are not on this machine"))
struct LostAnswerTests {
    @Test func aWriteWithoutACommitReplyIsNeverReportedWrongly() async throws {
        try await PrivateCluster.with { cluster in
            let url = cluster.url
            // A session of its own choice: this one waits for no standby.
            try await TestDatabase.open(url + " options='-c synchronous_commit=local'") { owner in
                let schema = Schema(database: owner)
                try await schema.migrate(logger: quietLogger, deadline: .soon)
                let workspace = try await NewWorkspace.make(name: "w", with: schema, deadline: .soon)
                let server = try await TestServer(databaseURL: url + " user=muster_server", workspace: workspace)
                let cluster = Cluster(owner: owner, server: server)
                let result: Result<Void, any Error>
                do { result = .success(try await tryAll(cluster)) } catch { result = .failure(error) }
                await server.stop()
                try result.get()
            }
        }
    }

    private func tryAll(_ cluster: Cluster) async throws {
        let client = cluster.server.client()
        _ = try await client.send(SetPartner(partner: "tinyclues"))
        _ = try await client.send(UpsertUsers(users: [Identifier].users(0..<9).map { UserEntry(externalID: $0) }))
        try await endedImports(client, cluster)
        try await lateImport(client, cluster)
        try await lateImportOverREST(client, cluster)
        try await endedUpsert(client, cluster)
        try await lateUpsert(client, cluster)
        #expect(try await cluster.server.store.maintenance.verify(deadline: .soon).problems == [])
        await client.close()
    }

    /// The backend is ended while COMMIT waits: what the server then says is what was recorded, with a caller's id or
    /// its own.
    private func endedImports(_ client: MusterClient, _ cluster: Cluster) async throws {
        for (round, id) in ([nil, "r-1", nil, "r-2"] as [Identifier?]).enumerated() {
            try await cluster.waitForStandbys(true)
            async let reply = client.importCohort("c", adding: .users(0..<round + 1), requestID: id)
            try await cluster.endAllWaiters()
            try await cluster.waitForStandbys(false)
            let answered = try await reply
            #expect(answered.version == Int64(round + 1))
            #expect(answered.size == round + 1)
            #expect(answered.receipt == Receipt(received: round + 1, added: 1, unchanged: round))
            if id != nil {
                let again = try await client.importCohort("c", adding: .users(0..<round + 1), requestID: id)
                #expect(again == answered)
            }
        }
        #expect(try await client.send(GetCohort(partner: "tinyclues", cohortID: "c")).version == 4)
    }

    /// The deadline passes while COMMIT waits: unknown is the only correct answer.
    private func lateImport(_ client: MusterClient, _ cluster: Cluster) async throws {
        let impatient = cluster.server.client { $0.repeats = false }
        try await cluster.waitForStandbys(true)
        let call = ImportCohort(
            partner: "tinyclues", cohortID: "late", requestID: "late", changes: [.adding(userIDs: ["u-1", "u-2"])])
        let error = await #expect(throws: RPCError.self) {
            try await impatient.send(call, deadline: .milliseconds(900))
        }
        #expect(error?.code == .unknown || error?.code == .deadlineExceeded)
        // A repeat may get the outcome by then, and it must equal the record.
        let again = try? await impatient.send(call, deadline: .milliseconds(900))
        try await cluster.waitForStandbys(false)
        let settled = try await client.send(call)
        #expect(settled.version == 1)
        #expect(settled.receipt == Receipt(received: 2, added: 2))
        #expect(again == nil || again == settled)
        #expect(try await client.send(call) == settled)
        #expect(try await client.send(GetCohort(partner: "tinyclues", cohortID: "late")).version == 1)
        await impatient.close()
    }

    /// The time of a REST request passes while COMMIT waits: it says that it doesn't know, and the repeat says what was
    /// recorded.
    private func lateImportOverREST(_ client: MusterClient, _ cluster: Cluster) async throws {
        let key = try await client.send(CreateKey(kind: .import, partner: "tinyclues", name: "REST")).secret
        let post: @Sendable () async throws -> RESTReply = {
            try await cluster.server.rest(
                "POST", "/partners/tinyclues/cohorts/users",
                #"{"client_secret":"\#(key)","cohort_id":"rest","cohort_changes":[{"user_ids":["u-1","u-2"]}]}"#,
                headers: ["Idempotency-Key": "rest-1"])
        }
        try await cluster.waitForStandbys(true)
        let started = ContinuousClock.now
        let lost = try await post()
        #expect(.now - started < .seconds(3), "a bound of 1.8 s, and room for a busy machine")
        #expect(lost.status == 503 && lost.headers["retry-after"] == "1")
        #expect(lost.text.contains(#""outcome":"unknown""#), "\(lost.text)")
        try await cluster.waitForStandbys(false)
        let settled = try await post()
        #expect(settled.status == 201 && settled.text.contains(#""version":1"#), "\(settled.text)")
        let again = try await post()
        #expect(again.status == 201 && again.text == settled.text)
        #expect(try await client.send(GetCohort(partner: "tinyclues", cohortID: "rest")).version == 1)
    }

    private func endedUpsert(_ client: MusterClient, _ cluster: Cluster) async throws {
        let call = UpsertUsers(users: [UserEntry(externalID: "new", attributes: ["n": 1])], requestID: "upsert-1")
        try await cluster.waitForStandbys(true)
        async let reply = client.send(call)
        try await cluster.endAllWaiters()
        try await cluster.waitForStandbys(false)
        #expect(try await reply.results.map(\.outcome) == [.created])
        #expect(try await client.send(call).results.map(\.outcome) == [.created])
        #expect(try await client.size(of: .everyone) == 10)
    }

    private func lateUpsert(_ client: MusterClient, _ cluster: Cluster) async throws {
        let impatient = cluster.server.client { $0.repeats = false }
        let call = UpsertUsers(users: [UserEntry(externalID: "newer")], requestID: "upsert-2")
        try await cluster.waitForStandbys(true)
        let code = await impatient.code(of: call, deadline: .milliseconds(900))
        #expect(code == .unknown || code == .deadlineExceeded)
        try await cluster.waitForStandbys(false)
        #expect(try await client.send(call).results.map(\.outcome) == [.created])
        #expect(try await client.size(of: .everyone) == 11)
        await impatient.close()
    }
}

/// A PostgreSQL whose COMMITs can be delayed, and a server on it.
private struct Cluster: Sendable {
    let owner: Database
    let server: TestServer

    func waitForStandbys(_ waits: Bool) async throws {
        try await owner.withConnection(deadline: .soon) { connection in
            try connection.run(
                script: waits
                    ? "ALTER SYSTEM SET synchronous_standby_names = 'nobody'"
                    : "ALTER SYSTEM RESET synchronous_standby_names")
            try connection.execute("SELECT pg_reload_conf()")
        }
        // Each session handles the reload separately; the next statement of one says nothing about another.
        try await Task.sleep(for: .milliseconds(200))
    }

    func endAllWaiters() async throws {
        for _ in 0..<500 {
            let ended = try await owner.withConnection(deadline: .soon) { connection in
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
