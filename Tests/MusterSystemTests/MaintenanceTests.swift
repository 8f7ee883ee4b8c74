import MusterClient
import MusterHandlers
import MusterProtocol
import MusterTestSupport
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// What is past its time goes, and no sooner; what is damaged or slow is its own trouble.
@Suite struct MaintenanceTests {
    @Test func expiredRowsAreDeletedAndTheOthersStay() async throws {
        try await ServerPair.with(users: .users(0..<9)) { pair in
            for cohort in ["live", "ended", "lately"] as [Identifier] {
                for place in 0..<3 { try await pair.throughA.importCohort(cohort, adding: .users(place..<place + 1)) }
            }
            for cohort in ["ended", "lately"] as [Identifier] {
                _ = try await pair.throughA.send(DeleteCohort(partner: "tinyclues", cohortID: cohort))
            }
            let (workspace, live) = (pair.workspace.id, try await pair.numberOfSet("live"))
            try await pair.asOwner { connection in
                try connection.execute(
                    """
                    UPDATE ended_set SET ended_at = now() - CASE WHEN set_number = (SELECT min(set_number) FROM ended_set)
                        THEN interval '8 days' ELSE interval '6 days' END WHERE workspace_id = \(workspace)
                    """)
                try connection.execute(
                    """
                    UPDATE cohort_import SET imported_at = now() - CASE WHEN version < 3 THEN interval '8 days'
                        ELSE interval '6 days' END WHERE workspace_id = \(workspace) AND set_number = \(live)
                    """)
                try connection.execute(
                    """
                    INSERT INTO request_record (workspace_id, method, request_id, payload_digest, reply, recorded_at)
                    SELECT \(workspace), 'm', d::text, decode(repeat('00', 32), 'hex'), '', now() - make_interval(days => d)
                    FROM unnest(ARRAY[6, 8]) d
                    """)
                try connection.execute(
                    """
                    INSERT INTO set_head (workspace_id, kind, expires_at)
                    SELECT \(workspace), 'listing', now() + make_interval(hours => h) FROM unnest(ARRAY[-1, 1]) h
                    """)
            }
            let first = try await pair.a.store.maintenance.run(Retention())
            #expect(first.listingsEnded == 1)
            #expect(first.requestsPruned == 1)
            #expect(first.receiptsPruned == 3)
            let second = try await pair.a.store.maintenance.run(Retention(historyDays: 1))
            #expect(second.receiptsPruned == 2)
            let third = try await pair.a.store.maintenance.run(Retention(historyDays: 1))
            #expect(third.listingsEnded + third.requestsPruned + third.receiptsPruned == 0)
            let left = try await pair.asOwner { connection in
                try connection.query(
                    """
                    SELECT 'set ended ' || extract(day FROM now() - ended_at) FROM ended_set WHERE workspace_id = \(workspace)
                    UNION ALL SELECT 'request ' || request_id FROM request_record
                        WHERE workspace_id = \(workspace) AND method = 'm'
                    UNION ALL SELECT 'listing ' || (expires_at > now()) FROM set_head
                        WHERE workspace_id = \(workspace) AND kind = 'listing'
                    UNION ALL SELECT 'receipt ' || version FROM cohort_import
                        WHERE workspace_id = \(workspace) AND set_number = \(live)
                    """
                ) { row in try row.value(0, as: String.self) }
            }
            #expect(left.sorted() == ["listing true", "receipt 3", "request 6", "set ended 6"])
        }
    }

    @Test func aRegistrationDoesNotWaitForVerify() async throws {
        try await ServerPair.with(users: .users(0..<20)) { pair in
            let everyone = SetKey.everyone(of: pair.workspace.id)
            // Verify would wait for the lock of an unfinished registration if it took one.
            try await pair.asOwner { connection in
                _ = try WorkspaceTransaction.over(connection, in: everyone.workspace) { try $0.lockHead(everyone) }
                let store = pair.b.store
                let (done, verified) = (Flag(), Flag())
                Task {
                    if let report = try? await store.maintenance.verify(deadline: .soon), report.sets > 0 {
                        verified.raise()
                    }
                    done.raise()
                }
                for _ in 0..<1_000 where !done.isRaised { try connection.execute("SELECT pg_sleep(0.01)") }
                #expect(verified.isRaised)
            }
        }
    }

    @Test func aDamagedSetDoesNotFailReadsOfOthers() async throws {
        try await ServerPair.with(users: .users(0..<20)) { pair in
            for cohort in ["good", "bad"] as [Identifier] {
                try await pair.throughA.importCohort(cohort, adding: .users(0..<3))
            }
            let bad = try await pair.numberOfSet("bad")
            try await pair.asOwner { connection in
                try connection.execute(
                    "UPDATE set_change SET added = set_byte(added, 3, get_byte(added, 3) # 1) WHERE set_number = \(bad)"
                )
            }
            pair.b.store.forgetSets(of: pair.workspace.id)
            await withTaskGroup(of: Void.self) { group in
                for place in 0..<60 {
                    let cohort: Identifier = place % 3 == 0 ? "bad" : "good"
                    group.addTask {
                        let code = await pair.throughB.code(of: SizeSegment(filter: .cohort(cohort)))
                        #expect(code == (cohort == "bad" ? .dataLoss : nil))
                    }
                }
            }
        }
    }
}
