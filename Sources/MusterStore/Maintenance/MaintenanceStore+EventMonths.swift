import Locking
import MusterProtocol
import Postgres

/// The result of one pass over the months of events.
struct EventMaintenance: Sendable, Equatable {
    var monthsMade = 0
    var monthsDropped = 0
    var eventsPruned = 0
}

extension MaintenanceStore {
    /// Months change rarely, and checking them reads catalogs and, with retention, indexes.
    private static var pause: Duration { .seconds(3_600) }

    /// Runs `maintainEventMonths`, at most once an hour unless it fails.
    func maintainEventMonthsHourly(days: Int, report: inout MaintenanceReport) async throws {
        let now = ContinuousClock.now
        if let last = store.eventsKept.withLock({ $0 }), now - last < Self.pause { return }
        let done = try await maintainEventMonths(days: days, at: .now)
        report.eventMonthsMade += done.monthsMade
        report.eventMonthsDropped += done.monthsDropped
        report.eventsPruned += done.eventsPruned
        store.eventsKept.withLock { $0 = now }
    }

    /// Creates partitions for the months ahead, and deletes events and purchases of months that ended more than `days`
    /// ago; 0 keeps all.
    ///
    /// Months with a partition are dropped whole, in all workspaces at once; other rows are deleted workspace by
    /// workspace. Both raise the head of events in the same transaction. Several servers may do this concurrently.
    func maintainEventMonths(days: Int, at now: Instant) async throws -> EventMaintenance {
        let tag = SetVersion.newTag()
        var done = EventMaintenance()
        done.monthsMade = try await counted("SELECT add_event_months(\(now))")
        guard days > 0 else { return done }
        let oldest = now - .days(days)
        done.monthsDropped = try await counted(
            "SELECT drop_event_months(date_trunc('month', \(oldest), 'UTC'), \(tag))")
        for workspace in try await workspaceIDs() {
            while true {
                let pruned = try await self.in(workspace).pruneEvents(before: oldest)
                done.eventsPruned += pruned
                if pruned < EventBatch.max { break }
            }
        }
        return done
    }

    private func counted(_ sql: SQL) async throws -> Int {
        try await store.database.transaction(deadline: .now + .seconds(60)) { connection in
            try connection.first(sql) { row in Int(try row.value(0, as: Int32.self)) } ?? 0
        }
    }
}

extension WorkspaceMaintenance {
    fileprivate func pruneEvents(before time: Instant) async throws -> Int {
        try await within(.seconds(60)).transaction { transaction in
            guard try transaction.haveEvents(before: time) else { return 0 }
            try transaction.raiseEvents()
            return try transaction.pruneEvents(before: time)
        }
    }
}

private enum EventBatch {
    /// Rows of each table deleted in one transaction: writers of events wait for it.
    static let max = 10_000
}

extension WorkspaceTransaction {
    fileprivate borrowing func haveEvents(before time: Instant) throws -> Bool {
        try first(
            """
            SELECT EXISTS (SELECT FROM user_event
                    WHERE workspace_id = \(workspace) AND occurred_at < date_trunc('month', \(time), 'UTC'))
                OR EXISTS (SELECT FROM user_purchase
                    WHERE workspace_id = \(workspace) AND occurred_at < date_trunc('month', \(time), 'UTC'))
            """
        ) { row in try row.value(0, as: Bool.self) } ?? false
    }

    fileprivate borrowing func pruneEvents(before time: Instant) throws -> Int {
        let events = try query(
            """
            DELETE FROM user_event e USING (
                SELECT user_number, name, occurred_at, version, place FROM user_event
                WHERE workspace_id = \(workspace) AND occurred_at < date_trunc('month', \(time), 'UTC')
                LIMIT \(Int64(EventBatch.max))
            ) old
            WHERE e.workspace_id = \(workspace) AND e.user_number = old.user_number AND e.name = old.name
                AND e.occurred_at = old.occurred_at AND e.version = old.version AND e.place = old.place
            RETURNING 1
            """
        ) { row in try row.value(0, as: Int32.self) }
        let purchases = try query(
            """
            DELETE FROM user_purchase e USING (
                SELECT user_number, product_id, occurred_at, version, place FROM user_purchase
                WHERE workspace_id = \(workspace) AND occurred_at < date_trunc('month', \(time), 'UTC')
                LIMIT \(Int64(EventBatch.max))
            ) old
            WHERE e.workspace_id = \(workspace) AND e.user_number = old.user_number AND e.product_id = old.product_id
                AND e.occurred_at = old.occurred_at AND e.version = old.version AND e.place = old.place
            RETURNING 1
            """
        ) { row in try row.value(0, as: Int32.self) }
        return events.count + purchases.count
    }
}
