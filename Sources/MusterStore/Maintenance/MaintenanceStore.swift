import MusterProtocol
import Postgres

/// How long what is only for looking back is kept.
public struct Retention: Sendable {
    /// Days after which changes below a set's snapshot, and receipts of imports, go; 0 keeps all of them.
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
    public var receiptsForgotten = 0
    public var changesForgotten = 0
    /// Notes of whose attributes changed, which no look reads any more.
    public var attributeChangesForgotten = 0
    /// Archives that expired.
    public var exportsEnded = 0
    /// Archives that held somebody who was erased since.
    public var exportsOutdated = 0
    /// Exports of which nothing is known any more.
    public var exportsForgotten = 0
    public var sizesRecorded = 0
    /// Partitions of events and of purchases.
    public var eventMonthsMade = 0
    public var eventMonthsDropped = 0
    public var eventsForgotten = 0
    /// Erasures whose server ended before they were in the journal.
    public var erasuresJournalled = 0

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

    /// Each kind of work whether or not another one failed. Throws what failed first.
    private func keep(
        _ workspace: WorkspaceID, _ retention: Retention, report: inout UpkeepReport, backlog: inout FoldBacklog
    ) async throws {
        var failure: (any Error)?
        do { try await foldSets(of: workspace, report: &report, backlog: &backlog) } catch { failure = error }
        do {
            report.erasuresJournalled += try await journalErasures(
                before: .now - .seconds(10), in: workspace, deadline: .now + .seconds(30))
        } catch { failure = failure ?? error }
        do { try await forget(retention, in: workspace, report: &report) } catch { failure = failure ?? error }
        do { report.exportsOutdated += try await endOutdatedExports(in: workspace) } catch {
            failure = failure ?? error
        }
        do { report.sizesRecorded += try await recordSizes(in: workspace, at: .now) } catch {
            failure = failure ?? error
        }
        if let failure { throw failure }
    }

    /// Page by page. A set that can't be folded, being damaged, is not the others' trouble.
    private func foldSets(
        of workspace: WorkspaceID, report: inout UpkeepReport, backlog: inout FoldBacklog
    ) async throws {
        var failure: (any Error)?
        var last = Int32(-1)
        while let page = try await setsToFold(after: last, in: workspace, deadline: .now + .seconds(30)) {
            last = page.last
            backlog.sets += page.sets
            backlog.changes += page.changesBehind
            for set in page.due {
                try Task.checkCancellation()
                do {
                    let folded = try await fold(set, deadline: .now + .seconds(60))
                    report.changesFolded += folded
                    report.setsFolded += folded > 0 ? 1 : 0
                } catch { failure = failure ?? error }
            }
        }
        if let failure { throw failure }
    }

    func workspaceIDs() async throws -> [WorkspaceID] {
        try await database.read(
            deadline: .now + .seconds(10), "SELECT workspace_id FROM workspace ORDER BY workspace_id"
        ) { row in try row.value(0) }
    }
}
