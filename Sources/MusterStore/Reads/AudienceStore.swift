import Locking
import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// Who is in a set: of what users, cohorts, segments and filters consist, now and at earlier versions.
public struct AudienceStore: ScopedStore {
    let store: Store
    let scope: WorkspaceScope

    var derived: DerivedSets { store.reads.resources.derived }
    var memory: WorkspaceReads { store.reads.reads(of: workspace) }

    /// Reads the sets of a question, all of one state: as of now, or as old as the caller allows.
    func read(
        _ question: Question, needsSets: Bool = true, maxStaleness: Duration = .zero
    ) async throws -> ProvedRead {
        if maxStaleness > .zero, let recent = recent(memory.plans[question], needsSets: needsSets, maxStaleness) {
            return recent
        }
        let answer = OneShot<Result<ProvedRead, any Error>>()
        let read = PendingRead(
            question, plan: memory.plans[question], needsSets: needsSets, deadline: scope.deadline,
            on: CallingThread.shared
        ) { answer.fulfill($0) }
        return try await withTaskCancellationHandler {
            memory.submit(read)
            let proved = try await answer.value.get()
            scope.caller.begin()
            return proved
        } onCancel: {
            read.end(.failure(PostgresError(.cancelled)))
        }
    }

    /// The state that a read proved recently, if it is young enough for the caller.
    func recent(_ plan: QueryPlan?, needsSets: Bool, _ maxStaleness: Duration) -> ProvedRead? {
        guard let plan, let latest = plan.latest.withLock({ $0 }),
            latest.at > oldestAllowed(maxStaleness), !needsSets || latest.state.evaluations != nil
        else { return nil }
        return ProvedRead(plan: plan, state: latest.state, heads: latest.heads)
    }

    /// What was read before is too old for the caller, or may show somebody who was erased through this server since.
    private func oldestAllowed(_ maxStaleness: Duration) -> ContinuousClock.Instant {
        let oldest = ContinuousClock.now - maxStaleness
        return store.reads.resources.lastErasures.withLock { max(oldest, $0[workspace] ?? oldest) }
    }
}

extension WorkspaceStore {
    /// Who is in the sets of the workspace.
    public var audience: AudienceStore { AudienceStore(store: store, scope: scope) }
}

extension ScopedStore {
    /// Notes that a write which ends users is done, or may be: what is in memory from before it answers nobody any
    /// more.
    func forgetWhatWasRead() { store.reads.resources.lastErasures.withLock { $0[workspace] = .now } }
}
