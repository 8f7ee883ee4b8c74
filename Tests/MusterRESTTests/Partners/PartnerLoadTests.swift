import MusterHandlers
import MusterProtocol
import MusterStore
import MusterTestSupport
import Postgres
import TestSupport
import Testing

/// What a connector hears of faults that pass.
@Suite struct PartnerLoadTests {
    @Test func aCohortLockedByAnotherConnectionIsReportedAsLocked() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let connector = try await Connector(muster)
            try await muster.importCohort("c", adding: ["u-1"])
            try await held(
                "SELECT FROM set_head h JOIN cohort c USING (set_number) WHERE c.cohort_id = 'c' FOR UPDATE OF h, c",
                muster
            ) {
                try await expectLocked {
                    try await connector.change("c", #"{"user_ids":["u-1"]}"#, idempotencyKey: "k")
                }
                try await expectLocked {
                    try await connector.post("", #""cohort_id":"c","name":"D","created_at":"2024-01-01""#)
                }
            }
            let again = try await connector.change("c", #"{"user_ids":["u-1"]}"#, idempotencyKey: "k")
            #expect(again.status == 201 && again.imported?.version == 2)
        }
    }

    /// The RPC's callers have more patience.
    @Test func theRPCWaitsLongerThanREST() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            try await muster.importCohort("c", adding: ["u-1"])
            try await held("SELECT FROM set_head WHERE kind = 'cohort' FOR UPDATE", muster) {
                let clock = ContinuousClock()
                let started = clock.now
                let error = await #expect(throws: RPCError.self) {
                    try await muster.importCohort("c", adding: ["u-1"])
                }
                #expect(error?.code == .aborted)
                #expect(error?.details.string("limit") == Limits.lockWait.name)
                #expect(error?.details.integer("limit_value") == 2_000)
                #expect(error?.message.contains("2000 milliseconds (lock_wait_ms)") == true)
                #expect(clock.now - started > .milliseconds(1_900))
            }
        }
    }

    private func expectLocked(_ send: () async throws -> RESTReply) async throws {
        let clock = ContinuousClock()
        let started = clock.now
        let reply = try await send()
        #expect(reply.status == 423)
        let problem = try reply.problem
        #expect(problem.message == "Resource locked")
        #expect(problem.details?.limit == Limits.restLockWait.name && problem.details?.limitValue == 1_000)
        #expect(reply.headers["retry-after"] == "1")
        #expect((.milliseconds(900)...(.milliseconds(1_900))).contains(clock.now - started))
    }

    /// Runs `body` while another connection holds what `sql` locks.
    private func held(
        _ sql: SQL, _ muster: MusterUnderTest, _ body: () async throws -> Void
    ) async throws {
        let url = muster.database.ownerURL
        try await withThrowingTaskGroup(of: Void.self) { group in
            let (holds, release) = (Flag(), Flag())
            group.addTask {
                try await TestDatabase.open(url, connections: 1) { database in
                    try await database.transaction(deadline: .soon) { connection in
                        try connection.execute(sql)
                        holds.raise()
                        while !release.isRaised { try connection.execute("SELECT pg_sleep(0.02)") }
                    }
                }
            }
            while !holds.isRaised { try await Task.sleep(for: .milliseconds(5)) }
            defer { release.raise() }
            try await body()
            release.raise()
            try await group.waitForAll()
        }
    }

    @Test func aLockOnTheRegistryIsARetryableError() async throws {
        try await withMuster { muster in
            try await held("SELECT FROM set_head WHERE kind = 'identity' FOR UPDATE", muster) {
                let clock = ContinuousClock()
                let started = clock.now
                let reply = try await muster.server.rest(
                    "POST", "/users/track", #"{"attributes":[{"external_id":"u-1","n":1}]}"#,
                    bearer: muster.server.workspace.adminKey.text)
                #expect(reply.status == 503 && reply.headers["retry-after"] != nil && reply.message != nil)
                #expect(clock.now - started < .milliseconds(1_900))
            }
        }
    }

    @Test func aRequestThatTakesTooLongIsAbortedAndAppliesNothing() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let connector = try await Connector(muster)
            try await whenImporting("PERFORM pg_sleep(20)", muster)
            let started = ContinuousClock.now
            let reply = try await connector.change("c", #"{"user_ids":["u-1"]}"#)
            #expect(reply.status == 504 && reply.message != nil && reply.headers["retry-after"] == "1")
            #expect(.now - started < .seconds(3), "a bound of 1.8 s, and room for a busy machine")
            #expect(try await muster.send(ListCohorts()).cohorts.isEmpty)
        }
    }

    @Test func anInternalErrorShowsNoCause() async throws {
        try await withMuster(users: ["u-1"]) { muster in
            let connector = try await Connector(muster)
            try await whenImporting("RAISE 'canary'", muster)
            let reply = try await connector.change("c", #"{"user_ids":["u-1"]}"#)
            #expect(reply.status == 500 && reply.message != nil && !reply.text.contains("canary"))
            #expect(try await muster.send(ListCohorts()).cohorts.isEmpty)
        }
    }

    /// Has PostgreSQL do something in the middle of every import.
    private func whenImporting(_ statement: String, _ muster: MusterUnderTest) async throws {
        try await TestDatabase.open(muster.database.ownerURL, connections: 1) { database in
            try await database.withConnection(deadline: .soon) { connection in
                try connection.run(
                    script: """
                        CREATE FUNCTION in_the_way() RETURNS trigger LANGUAGE plpgsql AS $$
                            BEGIN \(statement); RETURN NEW; END $$;
                        CREATE TRIGGER in_the_way BEFORE INSERT ON cohort_import FOR EACH ROW EXECUTE FUNCTION in_the_way();
                        """)
            }
        }
    }

    @Test func anUnreachableDatabaseIsUnavailable() async throws {
        try await withMuster { muster in
            let connector = try await Connector(muster)
            #expect(try await connector.change("c", "").status == 201)
            await muster.server.store.database.close()
            let reply = try await connector.change("c", "")
            #expect(reply.status == 503)
            #expect(reply.headers["retry-after"] != nil && reply.message != nil)
        }
    }
}
