import MusterProtocol
import Postgres

/// How long historical data is kept.
public struct Retention: Sendable {
    /// Days after which changes covered by a set's snapshot, and receipts of imports, are deleted; 0 keeps all.
    public var historyDays: Int
    /// Days after the end of a month after which its events and purchases are deleted; 0 keeps all.
    public var eventDays: Int

    public init(historyDays: Int = 0, eventDays: Int = 0) {
        self.historyDays = historyDays
        self.eventDays = eventDays
    }
}

/// The result of one maintenance pass.
public struct MaintenanceReport: Sendable, Equatable {
    public var setsCompacted = 0
    public var changesCompacted: Int64 = 0
    public var listingsEnded = 0
    public var requestsPruned = 0
    public var receiptsPruned = 0
    public var changesPruned = 0
    /// Records of users with changed attributes, which no read needs any more.
    public var attributeChangesPruned = 0
    /// Records of changed segments, which no read needs any more.
    public var definitionChangesPruned = 0
    /// Records of changed identifiers, which are too old or too many.
    public var identifierChangesPruned = 0
    /// Archives that expired.
    public var exportsEnded = 0
    /// Archives that contain a user erased since.
    public var exportsOutdated = 0
    /// Exports whose state was deleted.
    public var exportsPruned = 0
    public var sizesRecorded = 0
    /// Partitions of events and of purchases.
    public var eventMonthsMade = 0
    public var eventMonthsDropped = 0
    public var eventsPruned = 0
    /// Erasures whose server ended before writing them to the journal.
    public var erasuresJournalled = 0

    /// Creates the report of a pass that found nothing to do.
    public init() {}
}

/// The number of sets in all workspaces, and of changes missing from their snapshots.
private struct CompactionBacklog {
    var sets = 0
    var changes: Int64 = 0
}

/// The background work of the server, in all workspaces.
public struct MaintenanceStore: Sendable {
    let store: Store

    /// Runs one maintenance pass in every workspace: compacts snapshots and deletes expired data. Each step is a
    /// transaction of its own and may be interrupted at any point; several servers may run passes concurrently.
    public func run(_ retention: Retention) async throws -> MaintenanceReport {
        var report = MaintenanceReport()
        var backlog = CompactionBacklog()
        var failure: (any Error)?
        do { try await maintainEventMonthsHourly(days: retention.eventDays, report: &report) } catch { failure = error }
        for workspace in try await workspaceIDs() {
            do { try await self.in(workspace).run(retention, report: &report, backlog: &backlog) } catch {
                if Task.isCancelled { throw error }
                // A failure in one workspace must not stop the others.
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

    /// The scope of background work in one workspace.
    func scope(of workspace: WorkspaceID) -> WorkspaceScope { WorkspaceScope(workspace, deadline: .now + .seconds(30)) }

    /// The maintenance of one workspace.
    func `in`(_ workspace: WorkspaceID) -> WorkspaceMaintenance {
        WorkspaceMaintenance(store: store, scope: scope(of: workspace))
    }
}

extension Store {
    /// The background work of the server.
    public var maintenance: MaintenanceStore { MaintenanceStore(store: self) }
}

/// The maintenance of one workspace. Each transaction has its own deadline, which `within` sets.
struct WorkspaceMaintenance: ScopedStore {
    let store: Store
    let scope: WorkspaceScope

    /// Does each kind of work even if another one failed. Throws the first failure.
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

    /// Compacts page by page. A damaged set that can't be compacted must not stop the others.
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
