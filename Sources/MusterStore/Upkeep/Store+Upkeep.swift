import MusterProtocol
import Postgres

/// How long what is only for looking back is kept.
public struct Retention: Sendable {
    /// Days after which changes below a set's snapshot go; 0 keeps all of them.
    public var historyDays: Int
    /// Days after the end of a month at which its events and purchases go; 0 keeps all of them.
    public var eventDays: Int

    public init(historyDays: Int = 0, eventDays: Int = 0) {
        self.historyDays = historyDays
        self.eventDays = eventDays
    }
}

/// What one round of upkeep did.
public struct UpkeepReport: Sendable, Equatable {
    public var setsFolded = 0
    public var changesFolded: Int64 = 0
    public var listingsEnded = 0
    public var requestsForgotten = 0
    public var changesForgotten = 0
    /// Notes of whose attributes changed, which no look reads any more.
    public var attributeChangesForgotten = 0
    public var exportsEnded = 0
    public var sizesRecorded = 0
    /// Partitions of events and of purchases.
    public var eventMonthsMade = 0
    public var eventMonthsDropped = 0
    public var eventsForgotten = 0

    /// A round that found nothing to do.
    public init() {}
}

/// The sets of all workspaces, and how many changes their snapshots lack.
private struct FoldBacklog {
    var sets = 0
    var changes: Int64 = 0
}

extension Store {
    /// One round of the work that nobody waits for, in every workspace: snapshots are written anew, and what is past its time goes.
    /// Each step is a transaction of its own and may be ended at any point; several servers may be at it at once.
    public func upkeep(_ retention: Retention) async throws -> UpkeepReport {
        var report = UpkeepReport()
        var backlog = FoldBacklog()
        var failure: (any Error)?
        do { try await keepEventsHourly(days: retention.eventDays, report: &report) } catch { failure = error }
        for workspace in try await workspaceIDs() {
            do { try await keep(workspace, retention, report: &report, backlog: &backlog) } catch {
                if Task.isCancelled { throw error }
                // One workspace's trouble is not the others'.
                failure = failure ?? error
            }
        }
        counts.sawSets(backlog.sets, changesNotFolded: max(0, backlog.changes - report.changesFolded))
        if let failure { throw failure }
        return report
    }

    private func keep(
        _ workspace: WorkspaceID, _ retention: Retention, report: inout UpkeepReport, backlog: inout FoldBacklog
    ) async throws {
        let found = try await setsToFold(in: workspace, deadline: .now + .seconds(30))
        backlog.sets += found.sets
        backlog.changes += found.changesBehind
        for set in found.due {
            let folded = try await fold(set, deadline: .now + .seconds(60))
            report.changesFolded += folded
            report.setsFolded += folded > 0 ? 1 : 0
        }
        try await forget(retention, in: workspace, report: &report)
        report.sizesRecorded += try await recordSizes(in: workspace, at: .now)
    }

    func workspaceIDs() async throws -> [WorkspaceID] {
        try await database.read(
            deadline: .now + .seconds(10), "SELECT workspace_id FROM workspace ORDER BY workspace_id"
        ) { row in try row.value(0) }
    }

    private func forget(_ retention: Retention, in workspace: WorkspaceID, report: inout UpkeepReport) async throws {
        let now = Instant.now
        let requests = now.earlier(days: Limits.requestIDDays.value)
        let history = retention.historyDays > 0 ? now.earlier(days: retention.historyDays) : nil
        let counts = try await transaction(in: workspace, deadline: .now + .seconds(30)) { connection in
            (
                listings: try connection.endListings(before: now, in: workspace),
                exports: try connection.endExports(before: now, in: workspace),
                requests: try connection.forgetRequests(before: requests, in: workspace),
                changes: try history.map { try connection.forgetChanges(before: $0, in: workspace) } ?? 0,
                attributes: try connection.forgetAttributeChanges(in: workspace)
            )
        }
        report.listingsEnded += counts.listings
        report.exportsEnded += counts.exports
        report.requestsForgotten += counts.requests
        report.changesForgotten += counts.changes
        report.attributeChangesForgotten += counts.attributes
    }
}

extension Connection {
    /// Rows of a bounded number a round, so that no transaction of upkeep is long.
    private static var most: Int64 { 10_000 }

    fileprivate borrowing func endListings(before time: Instant, in workspace: WorkspaceID) throws -> Int {
        try query(
            """
            DELETE FROM set_head WHERE workspace_id = \(workspace) AND kind = 'listing' AND expires_at < \(time) RETURNING 1
            """
        ) { row in try row.value(0, as: Int32.self) }.count
    }

    /// Exports with their archives, a few a round, since an archive may be large.
    fileprivate borrowing func endExports(before time: Instant, in workspace: WorkspaceID) throws -> Int {
        try query(
            """
            DELETE FROM segment_export WHERE workspace_id = \(workspace) AND export_id IN (
                SELECT export_id FROM segment_export
                WHERE workspace_id = \(workspace) AND expires_at < \(time) LIMIT 10)
            RETURNING 1
            """
        ) { row in try row.value(0, as: Int32.self) }.count
    }

    /// Answers by request id, and receipts of imports whose cohort is gone: those of others are its history.
    fileprivate borrowing func forgetRequests(before time: Instant, in workspace: WorkspaceID) throws -> Int {
        let answers = try query(
            """
            DELETE FROM request_record WHERE workspace_id = \(workspace) AND (method, request_id) IN (
                SELECT method, request_id FROM request_record
                WHERE workspace_id = \(workspace) AND recorded_at < \(time) LIMIT \(Self.most))
            RETURNING 1
            """
        ) { row in try row.value(0, as: Int32.self) }
        let receipts = try query(
            """
            DELETE FROM cohort_import i WHERE i.workspace_id = \(workspace) AND i.imported_at < \(time)
                AND NOT EXISTS (SELECT FROM set_head h WHERE h.workspace_id = \(workspace) AND h.set_number = i.set_number)
            RETURNING 1
            """
        ) { row in try row.value(0, as: Int32.self) }
        return answers.count + receipts.count
    }

    /// Only what the snapshot holds already: the set itself never needs it. And only from the beginning of a log, since times are of
    /// different machines and need not ascend: a gap would be taken for damage.
    fileprivate borrowing func forgetChanges(before time: Instant, in workspace: WorkspaceID) throws -> Int {
        try query(
            """
            DELETE FROM set_change c USING (
                SELECT x.set_number, x.version FROM set_snapshot s
                LEFT JOIN LATERAL (
                    SELECT y.version FROM set_change y
                    WHERE y.workspace_id = \(workspace) AND y.set_number = s.set_number AND y.changed_at >= \(time)
                    ORDER BY y.version LIMIT 1
                ) kept ON true
                JOIN set_change x ON x.workspace_id = \(workspace) AND x.set_number = s.set_number
                    AND x.version <= s.version AND x.version < coalesce(kept.version, s.version + 1)
                WHERE s.workspace_id = \(workspace)
                ORDER BY x.set_number, x.version LIMIT \(Self.most)
            ) old
            WHERE c.workspace_id = \(workspace) AND c.set_number = old.set_number AND c.version = old.version
            RETURNING 1
            """
        ) { row in try row.value(0, as: Int32.self) }.count
    }
}

extension Instant {
    fileprivate func earlier(days: Int) -> Instant {
        Instant(microseconds: microseconds - Int64(days) * 86_400_000_000)
    }
}
