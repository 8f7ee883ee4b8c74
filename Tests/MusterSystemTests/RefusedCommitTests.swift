import MusterClient
import MusterHandlers
import MusterProtocol
import MusterStore
import MusterTestSupport
import Postgres
import TestSupport
import Testing

/// A deferred constraint trigger refuses COMMIT itself; and connections are lost under load.
@Suite struct RefusedCommitTests {
    @Test func aSerializationFailureAtCommitIsRetried() async throws {
        try await ServerPair.with(users: .users(0..<3)) { pair in
            try await refuseCommits(3, "40001", pair)
            // By the server itself: this client retries nothing.
            let once = pair.a.client { $0.repeats = false }
            let reply = try await once.importCohort("c", adding: ["u-1"], requestID: "r")
            await once.close()
            #expect(reply.version == 1)
            #expect(reply.receipt.added == 1)
            #expect(try await pair.throughB.size(of: .cohort("c")) == 1)
            try await pair.expectSound()
        }
    }

    @Test func endlessSerializationFailuresAreAborted() async throws {
        try await ServerPair.with(users: .users(0..<3)) { pair in
            try await refuseCommits(1_000, "40001", pair)
            try await expectNothingApplied([.aborted], pair)
        }
    }

    @Test func aRefusedCommitIsNeverReportedAsDone() async throws {
        try await ServerPair.with(users: .users(0..<3)) { pair in
            try await refuseCommits(1_000, "23514", pair)
            try await expectNothingApplied([.internal, .failedPrecondition], pair)
        }
    }

    private func expectNothingApplied(_ codes: [RPCCode], _ pair: ServerPair) async throws {
        let once = pair.a.client { $0.repeats = false }
        let call = ImportCohort(
            partner: "tinyclues", cohortID: "c", requestID: "r", changes: [.adding(userIDs: ["u-1"])])
        let code = await once.code(of: call)
        #expect(code.map(codes.contains) ?? false, "\(code?.rawValue ?? "OK")")
        let upsert = await once.code(of: UpsertUsers(users: [UserEntry(externalID: "new")], requestID: "r"))
        #expect(upsert.map(codes.contains) ?? false, "\(upsert?.rawValue ?? "OK")")
        await once.close()
        for client in pair.clients {
            #expect(await client.code(of: GetCohort(partner: "tinyclues", cohortID: "c")) == .notFound)
            #expect(try await client.size(of: .everyone) == 3)
        }
        try await pair.asOwner { connection in try connection.execute("DROP TRIGGER refuse ON set_change") }
        // The same ids can be used: nothing was recorded with them.
        #expect(try await pair.throughB.send(call).version == 1)
        try await pair.expectSound()
    }

    /// A sequence counts, because the writes of refused transactions are rolled back.
    private func refuseCommits(_ count: Int64, _ state: String, _ pair: ServerPair) async throws {
        try await pair.asOwner { connection in
            try connection.run(
                script: """
                    CREATE SEQUENCE refusals;
                    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
                    BEGIN
                        IF nextval('refusals') <= \(count) THEN
                            RAISE EXCEPTION 'refused at commit' USING ERRCODE = '\(state)';
                        END IF;
                        RETURN NULL;
                    END
                    $$;
                    CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON set_change
                        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();
                    """)
        }
    }

    /// Backends end at any point of a transaction, COMMIT among them, again and again.
    @Test func abortedConnectionsUnderLoadLoseNothing() async throws {
        try await ServerPair.with(users: .users(0..<100)) { pair in
            let cutting = Task { try await cutAgainAndAgain(pair) }
            let replies = try await withThrowingTaskGroup(of: [ImportCohort.Reply].self) { group in
                for number in 0..<4 {
                    let client = pair.clients[number % 2]
                    group.addTask {
                        var replies: [ImportCohort.Reply] = []
                        for round in 0..<30 {
                            let adding = [Identifier].users(0..<100).shuffled().prefix(5)
                            replies.append(
                                try await client.importCohort(
                                    "c", adding: Array(adding), requestID: Identifier("\(number)-\(round)")))
                        }
                        return replies
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            cutting.cancel()
            _ = await cutting.result
            let history = try await pair.database.history(of: "c", in: pair.workspace.id)
            history.expectSound()
            #expect(replies.map(\.version).sorted() == Array(1...120))
            for reply in replies { #expect(reply.size == history.states[Int(reply.version)].count) }
            try await pair.expectSound()
        }
    }

    private func cutAgainAndAgain(_ pair: ServerPair) async throws {
        try await TestDatabase.open(pair.database.ownerURL, connections: 1) { database in
            while !Task.isCancelled {
                try await database.withConnection(deadline: .soon) { connection in
                    try connection.execute(
                        """
                        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE usename = 'muster_server' AND datname = current_database()
                        ORDER BY random() LIMIT 1
                        """)
                }
                try await Task.sleep(for: .milliseconds(30))
            }
        }
    }
}
