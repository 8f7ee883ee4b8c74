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

/// What one round of maintenance did.
public struct MaintenanceReport: Sendable, Equatable {
    public var setsCompacted = 0
    public var changesCompacted: Int64 = 0
    public var listingsEnded = 0
    public var requestsPruned = 0
    public var receiptsPruned = 0
    public var changesPruned = 0
    /// Notes of whose attributes changed, which no look reads any more.
    public var attributeChangesPruned = 0
    /// Archives that expired.
    public var exportsEnded = 0
    /// Archives that held somebody who was erased since.
    public var exportsOutdated = 0
    /// Exports of which nothing is known any more.
    public var exportsPruned = 0
    public var sizesRecorded = 0
    /// Partitions of events and of purchases.
    public var eventMonthsMade = 0
    public var eventMonthsDropped = 0
    public var eventsPruned = 0
    /// Erasures whose server ended before they were in the journal.
    public var erasuresJournalled = 0

    /// A round that found nothing to do.
    public init() {}
}

/// The sets of all workspaces, and how many changes their snapshots lack.
private struct CompactionBacklog {
    var sets = 0
    var changes: Int64 = 0
}

/// The work that the server does by itself, in all workspaces.
public struct MaintenanceStore: Sendable {
    let store: Store

    /// Runs one round of the work that nobody waits for, in every workspace: snapshots are written anew, and what is
    /// past its time goes. Each step is a transaction of its own and may be ended at any point; several servers may be
    /// at it at once.
    public func run(_ retention: Retention) async throws -> MaintenanceReport {
        var report = MaintenanceReport()
        var backlog = CompactionBacklog()
        var failure: (any Error)?
        do { try await maintainEventMonthsHourly(days: retention.eventDays, report: &report) } catch { failure = error }
        for workspace in try await workspaceIDs() {
            do { try await self.in(workspace).run(retention, report: &report, backlog: &backlog) } catch {
                if Task.isCancelled { throw error }
                // One workspace's trouble is not the others'.
                failure = failure ?? error
            }
        }
        store.counts.sawSets(backlog.sets, changesNotCompacted: max(0, backlog.changes - report.changesCompacted))
        if let failure { throw failure }
        return report
    }

    func workspaceIDs() async throws -> [WorkspaceID] {
        try await store.database.read(
            deadline: .now + .seconds(10), "SELECT workspace_id FROM workspace ORDER BY workspace_id"
        ) { row in try row.value(0) }
    }

    /// The scope of the server's work in one workspace.
    func scope(of workspace: WorkspaceID) -> WorkspaceScope { WorkspaceScope(workspace, deadline: .now + .seconds(30)) }

    /// The maintenance of one workspace.
    func `in`(_ workspace: WorkspaceID) -> WorkspaceMaintenance {
        WorkspaceMaintenance(store: store, scope: scope(of: workspace))
    }
}

extension Store {
    /// The work that the server does by itself.
    public var maintenance: MaintenanceStore { MaintenanceStore(store: self) }
}

/// The maintenance of one workspace. Each transaction has a time of its own, which `within` gives.
struct WorkspaceMaintenance: ScopedStore {
    let store: Store
    let scope: WorkspaceScope

    /// Does each kind of work whether or not another one failed. Throws what failed first.
    fileprivate func run(
        _ retention: Retention, report: inout MaintenanceReport, backlog: inout CompactionBacklog
    ) async throws {
        var failure: (any Error)?
        do { try await compactSets(report: &report, backlog: &backlog) } catch { failure = error }
        do {
            let erasures = within(.seconds(30)).stores.erasures
            report.erasuresJournalled += try await erasures.journal(before: .now - .seconds(10))
        } catch { failure = failure ?? error }
        do { try await prune(retention, report: &report) } catch { failure = failure ?? error }
        do { report.exportsOutdated += try await endOutdatedExports() } catch {
            failure = failure ?? error
        }
        do { report.sizesRecorded += try await recordSizes(at: .now) } catch {
            failure = failure ?? error
        }
        if let failure { throw failure }
    }

    /// Page by page. A set that can't be folded, being damaged, is not the others' trouble.
    private func compactSets(report: inout MaintenanceReport, backlog: inout CompactionBacklog) async throws {
        var failure: (any Error)?
        var last = Int32(-1)
        while let page = try await within(.seconds(30)).setsToCompact(after: last) {
            last = page.last
            backlog.sets += page.sets
            backlog.changes += page.changesBehind
            for set in page.due {
                try Task.checkCancellation()
                do {
                    let compacted = try await within(.seconds(60)).compact(set)
                    report.changesCompacted += compacted
                    report.setsCompacted += compacted > 0 ? 1 : 0
                } catch { failure = failure ?? error }
            }
        }
        if let failure { throw failure }
    }
}
