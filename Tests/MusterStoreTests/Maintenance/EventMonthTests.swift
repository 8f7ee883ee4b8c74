import MusterProtocol
import MusterTestSupport
import MusterUsers
import Postgres
import TestSupport
import Testing

@testable import MusterStore

/// The partitions of events: made ahead, by several servers at once, and dropped by retention.
struct EventMonthTests {

    @Test func theCurrentAndTheNextTwoMonthsHaveAPartition() async throws {
        try await RegistryFixture.with { fixture in
            #expect(
                try await fixture.store.maintenance.maintainEventMonths(days: 0, at: .now) == EventMaintenance(),
                "the migration made them")
            let later = Instant.now + .days(200)
            let made = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<6 {
                    group.addTask {
                        try await fixture.store.maintenance.maintainEventMonths(days: 0, at: later).monthsMade
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(made == 6)
        }
    }

    @Test func rowsOfTheDefaultPartitionMoveToANewMonth() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("ada"))
            let later = Instant.now + .days(200)
            let times = [later, later + .microseconds(1), .now, .at("1997-01-01")]
            try await fixture.append(times.map { NewEvent(userNumber: 0, name: "login", occurredAt: $0) })
            #expect(try await fixture.ownerCount("SELECT count(*) FROM user_event_rest") == 2)
            #expect(try await fixture.store.maintenance.maintainEventMonths(days: 0, at: later).monthsMade == 6)
            #expect(try await fixture.ownerCount("SELECT count(*) FROM user_event_rest") == 0)
            #expect(try await fixture.rows(in: "user_event") == 4)
        }
    }

    @Test func retentionDropsOldMonths() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("ada"))
            let now = Instant.now
            let past = now - .days(300)
            #expect(
                try await fixture.store.maintenance.maintainEventMonths(days: 0, at: past) == EventMaintenance(),
                "before the first month")
            // A year from now, half of what is kept is older than 250 days.
            let soon = now + .days(300)
            let times = [now, .at("1997-01-01"), soon]
            try await fixture.append(
                times.map { NewEvent(userNumber: 0, name: "login", occurredAt: $0) },
                times.map {
                    NewPurchase(userNumber: 0, productID: "cd", currency: "USD", price: 1, occurredAt: $0)
                })
            let before = try await fixture.eventsVersion()
            let done = try await fixture.store.maintenance.maintainEventMonths(days: 400, at: now)
            #expect(done == EventMaintenance(monthsMade: 0, monthsDropped: 0, eventsPruned: 2))
            #expect(try await fixture.eventsVersion() == before + 1)
            #expect(try await fixture.rows(in: "user_event") == 2)
            #expect(try await fixture.rows(in: "user_purchase") == 2)
            let again = try await fixture.store.maintenance.maintainEventMonths(days: 400, at: now)
            #expect(again == EventMaintenance())
            #expect(try await fixture.eventsVersion() == before + 1)
        }
    }

    @Test func anExpiredMonthIsDroppedWhole() async throws {
        try await RegistryFixture.with { fixture in
            try await fixture.upsert(.external("ada"))
            // As if the schema had been made in January: the months since then have partitions.
            try await fixture.database.run(
                """
                DO $$ BEGIN
                    EXECUTE 'DROP TABLE ' || (SELECT relname FROM pg_class WHERE relname ~ '^user_event_before_[0-9]{6}$');
                    CREATE TABLE user_event_before_202601 PARTITION OF user_event FOR VALUES FROM (MINVALUE) TO ('2026-01-01+00');
                    PERFORM wall_event_partition('user_event_before_202601');
                    PERFORM add_event_month('user_event', '2026-03-01'), add_event_month('user_event', '2026-04-01');
                END $$
                """)
            try await fixture.append(
                ["2026-03-31T23:59:59Z", "2026-04-01", "2026-03-01"].map { .of(0, "login", at: $0) })
            let before = try await fixture.eventsVersion()
            let done = try await fixture.store.maintenance.maintainEventMonths(days: 30, at: .at("2026-05-02"))
            #expect(done.monthsDropped == 1)
            #expect(try await fixture.rows(in: "user_event") == 1)
            #expect(try await fixture.eventsVersion() == before + 1)
            let second = try await fixture.store.maintenance.maintainEventMonths(days: 30, at: .at("2026-05-02"))
            #expect(second.monthsDropped == 0)
            #expect(try await fixture.eventsVersion() == before + 1)
        }
    }

    @Test(
        arguments: [
            "SELECT add_event_months('1997-01-01')", "SELECT add_event_months('infinity')",
            "SELECT add_event_months(NULL)", "SELECT drop_event_months(now(), 1)",
            "SELECT drop_event_months('infinity', 1)", "SELECT drop_event_months(NULL, 1)",
            "SELECT add_event_month('user_event', '2030-01-01')", "SELECT wall_event_partition('user_event')",
            "SELECT count(*) FROM user_event_rest", "DELETE FROM user_event_rest", "TRUNCATE user_event",
        ] as [String])
    func theServersRoleHasTheLeastPrivileges(script: String) async throws {
        try await RegistryFixture.with { fixture in
            _ = await #expect(throws: PostgresError.self) {
                try await TestDatabase.open(fixture.database.serverURL, connections: 1) { database in
                    try await database.withConnection(deadline: .soon) { connection in
                        try connection.run(script: script)
                    }
                }
            }
        }
    }

    @Test func objectsOfTheCallerDoNotShadowTables() async throws {
        try await RegistryFixture.with { fixture in
            try await TestDatabase.open(fixture.database.serverURL, connections: 1) { database in
                try await database.withConnection(deadline: .soon) { connection in
                    try connection.run(
                        script: """
                            CREATE TEMP TABLE set_head (LIKE set_head);
                            CREATE TEMP TABLE pg_inherits (inhrelid oid, inhparent oid);
                            SET search_path = pg_temp, public, pg_catalog;
                            SELECT public.add_event_months(now() + interval '200 days');
                            """)
                }
            }
            #expect(
                try await fixture.ownerCount(
                    "SELECT count(*) FROM pg_inherits WHERE inhparent = 'user_event'::regclass")
                    == 8)
        }
    }
}

extension RegistryFixture {
    /// A number, as the role that owns the tables sees it.
    func ownerCount(_ sql: SQL) async throws -> Int64? {
        try await TestDatabase.open(database.ownerURL, connections: 1) { database in
            try await database.read(deadline: .soon, sql) { row in try row.value(0, as: Int64.self) }.first
        }
    }
}
