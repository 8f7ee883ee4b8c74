import Locking
import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// The reads of one workspace: what it knows in memory, and the loop that proves it current.
///
/// Reads that wait share one proof, a statement that is sent after each of them arrived: so every answer holds what was
/// acknowledged before the question. Those whose memory is current are answered from it. The others share a refresh,
/// which is one snapshot and proof in itself. There is no other retry.
final class WorkspaceReads: Sendable {
    let workspace: WorkspaceID
    let resources: ReadResources
    let plans = PlanMemory()
    private let state = Locked(State())

    fileprivate struct State {
        /// Reads for the next proof, and those of the one under way.
        var waiting: [PendingRead] = []
        var proving: [PendingRead] = []
        var isProving = false
        var refreshes = RefreshKind.allCases.map { _ in Refreshing() }
        var isWatched = false
        /// When checks last asked for a leaf's set.
        var madeForChecks: [AnyComputedLeaf: ContinuousClock.Instant] = [:]
    }

    fileprivate struct Refreshing {
        var waiting: [PendingRead] = []
        var running: [PendingRead] = []
        var isUnderWay = false

        mutating func take() -> [PendingRead] {
            running += waiting
            waiting = []
            return running
        }
    }

    /// What a proof may take, whoever waits for it: with more patience, one hung connection would hold up all reads of
    /// the workspace. Longer than an outage is waited for, so that reads hear of that.
    private static let proofPatience = Duration.seconds(3)

    /// What a refresh may take at least: reads end at their own deadlines, and another one may join it.
    private static let leastPatience = Duration.seconds(1)

    /// How long after its deadline a read may end.
    private static let watchInterval = Duration.milliseconds(100)

    init(_ workspace: WorkspaceID, _ resources: ReadResources) {
        self.workspace = workspace
        self.resources = resources
    }

    /// Adds a read. It ends by an answer, an error, or its deadline.
    func submit(_ read: PendingRead) {
        let (begins, watches) = state.withLock { state in
            state.waiting.append(read)
            defer { (state.isProving, state.isWatched) = (true, true) }
            return (!state.isProving, !state.isWatched)
        }
        if begins { prove() }
        if watches { watch() }
    }

    // MARK: Proof

    private func prove() {
        let deadline = ContinuousClock.now + Self.proofPatience
        let sentAt = Locked(ContinuousClock.now)
        // Of no call, since it belongs to all that it serves.
        let scope = WorkspaceScope(workspace, deadline: deadline)
        resources.database.read(
            for: scope.caller, isUrgent: true, variables: scope.variables, deadline: deadline,
            making: { [self] in
                let numbers = takeForProof()
                sentAt.withLock { $0 = .now }
                return HeadRow.statement(numbers, in: workspace)
            }, { row in try HeadRow(row) },
            then: { [self] result in
                resources.failpoints.reachBlocking(.proofArrived)
                switch result {
                case .success(let rows):
                    let reads = endProof(wasRefused: false)
                    resources.counts.proved(for: reads.count)
                    answer(reads, Heads(rows), at: sentAt.withLock { $0 })
                case .failure(let error): fail(endProof(wasRefused: true), error)
                }
            })
    }

    /// Takes the reads that wait, and returns the sets that they depend on. A second time, when the statement is sent
    /// again, adds those that came meanwhile.
    private func takeForProof() -> [Int32] {
        let reads = state.withLock { state in
            state.proving += state.waiting
            state.waiting = []
            return state.proving
        }
        var numbers = Set(Heads.common)
        var seen: Set<ObjectIdentifier> = []
        for read in reads {
            guard let plan = read.plan, seen.insert(ObjectIdentifier(plan)).inserted else { continue }
            if let latest = plan.latest.withLock({ $0 }) { numbers.formUnion(latest.state.numbers) }
        }
        return Array(numbers)
    }

    /// Takes the reads of the proof that has ended, and begins the next one. One that was refused before it was sent
    /// has taken none: then its refusal is that of the reads that wait.
    private func endProof(wasRefused: Bool) -> [PendingRead] {
        let (reads, next) = state.withLock { state in
            if wasRefused, state.proving.isEmpty { swap(&state.proving, &state.waiting) }
            let reads = state.proving
            state.proving = []
            state.isProving = !state.waiting.isEmpty
            return (reads, state.isProving)
        }
        if next { prove() }
        return reads
    }

    /// Answers from memory what the heads prove current, and lets the rest be refreshed.
    private func answer(_ reads: [PendingRead], _ heads: Heads, at moment: ContinuousClock.Instant) {
        var answers = Answers()
        var behind: [PendingRead] = []
        var plans: [ObjectIdentifier: ProvedRead?] = [:]
        let now = Instant.now
        for read in reads where !read.hasEnded {
            guard let plan = read.plan else {
                behind.append(read)
                continue
            }
            let proved = plans[ObjectIdentifier(plan)] ?? prove(plan, heads, at: moment, now)
            plans[ObjectIdentifier(plan)] = .some(proved)
            if let proved, isEnough(proved, for: read) {
                answers.add(read, .success(proved))
            } else {
                behind.append(read)
            }
        }
        answers.handOut()
        refresh(behind, .quick)
    }

    /// The state of a plan at these heads, from memory alone; nil if something is behind.
    private func prove(
        _ plan: QueryPlan, _ heads: Heads, at moment: ContinuousClock.Instant, _ now: Instant
    ) -> ProvedRead? {
        guard let latest = plan.latest.withLock({ $0 }),
            !plan.dependsOnDefinitions || heads[SetKey.definitions] == plan.definitions
        else { return nil }
        var state = latest.state
        if !state.isCurrent(at: heads, now) {
            guard let next = state.next(of: plan, at: heads, now, in: workspace, resources) else { return nil }
            state = next
        }
        plan.latest.withLock { $0 = ProvedPlan(state: state, at: moment, heads: heads) }
        return ProvedRead(plan: plan, state: state, heads: heads)
    }

    private func isEnough(_ proved: ProvedRead, for read: PendingRead) -> Bool {
        if proved.state.evaluations == nil, read.needsSets || !read.users.isEmpty { return false }
        guard !read.users.isEmpty else { return true }
        return read.digests != nil
            && resources.directories.directory(of: workspace)?.version == proved.heads[SetKey.identifiers]
    }

    // MARK: Refresh

    /// Lets reads share the next refresh of their kind.
    func refresh(_ reads: [PendingRead], _ kind: RefreshKind) {
        guard let deadline = reads.map(\.deadline).max() else { return }
        let (begins, watches) = state.withLock { state in
            state.refreshes[kind.rawValue].waiting += reads
            defer { (state.refreshes[kind.rawValue].isUnderWay, state.isWatched) = (true, true) }
            return (!state.refreshes[kind.rawValue].isUnderWay, !state.isWatched)
        }
        if watches { watch() }
        // A task of its own, since a refresh belongs to all reads that it serves; it ends when none waits.
        if begins { Task { await runRefreshes(kind, until: deadline) } }
    }

    private func runRefreshes(_ kind: RefreshKind, until deadline: ContinuousClock.Instant) async {
        var next: ContinuousClock.Instant? = deadline
        while let deadline = next {
            await runRefresh(kind, until: deadline)
            next = state.withLock { state in
                let next = state.refreshes[kind.rawValue].waiting.map(\.deadline).max()
                state.refreshes[kind.rawValue].isUnderWay = next != nil
                return next
            }
        }
    }

    private func runRefresh(_ kind: RefreshKind, until deadline: ContinuousClock.Instant) async {
        do {
            try await run(kind, until: deadline) { [self] in takeForRefresh(kind) }
            _ = endRefresh(kind, wasRefused: false)
        } catch {
            let questions = Dictionary(grouping: state.withLock { $0.refreshes[kind.rawValue].running }, by: \.question)
            guard questions.count > 1, error.isOfOneQuestion else {
                return fail(endRefresh(kind, wasRefused: true), error)
            }
            defer { _ = endRefresh(kind, wasRefused: false) }
            // What is stored of one question's sets may be damaged, which is nothing to the others.
            for reads in questions.values {
                do { try await run(kind, until: reads.map(\.deadline).max() ?? deadline) { reads } } catch {
                    fail(reads, error)
                }
            }
        }
    }

    private func run(
        _ kind: RefreshKind, until deadline: ContinuousClock.Instant, of reads: @escaping @Sendable () -> [PendingRead]
    ) async throws {
        let deadline = max(deadline, .now + Self.leastPatience)
        let scope = WorkspaceScope(workspace, deadline: deadline)
        let outcome = try await resources.database.snapshot(
            for: scope.caller, variables: scope.variables, deadline: deadline,
            scope.lending { [self] transaction in
                // Taken before the snapshot is, so that it is later than each arrival.
                var refresh = Refresh(of: reads().filter { !$0.hasEnded }, kind, for: self)
                return try refresh.run(in: transaction)
            })
        outcome.answers.handOut()
        for (kind, reads) in outcome.moved { refresh(reads, kind) }
        for leaf in outcome.wanted { makeForChecks(leaf, until: .now + .seconds(60)) }
    }

    private func takeForRefresh(_ kind: RefreshKind) -> [PendingRead] {
        state.withLock { $0.refreshes[kind.rawValue].take() }
    }

    /// Takes the reads of the refresh that has ended. One that was refused before it began has taken none: then its
    /// refusal is that of the reads that wait.
    private func endRefresh(_ kind: RefreshKind, wasRefused: Bool) -> [PendingRead] {
        state.withLock { state in
            if wasRefused, state.refreshes[kind.rawValue].running.isEmpty { _ = state.refreshes[kind.rawValue].take() }
            defer { state.refreshes[kind.rawValue].running = [] }
            return state.refreshes[kind.rawValue].running
        }
    }

    /// Brings the directory, if there is one, to the current identifiers in the background.
    func refreshDirectory() {
        guard resources.directories.directory(of: workspace) != nil else { return }
        let read = PendingRead(
            .filter(.everyone), needsSets: false, deadline: .now + .seconds(10), on: CallingThread.shared
        ) { _ in }
        refresh([read], .quick)
    }

    /// Makes a leaf's set in the background, so that later checks need no row of the user: at most once a minute, as it
    /// may be too large to keep.
    private func makeForChecks(_ leaf: AnyComputedLeaf, until deadline: ContinuousClock.Instant) {
        let isDue = state.withLock { state in
            if let last = state.madeForChecks[leaf], .now - last < .seconds(60) { return false }
            if state.madeForChecks.count >= PlanMemory.maxPlans { state.madeForChecks = [:] }
            state.madeForChecks[leaf] = .now
            return true
        }
        guard isDue else { return }
        submit(
            PendingRead(.filter(leaf.base.filter), needsSets: true, deadline: deadline, on: CallingThread.shared) { _ in
            })
    }

    // MARK: Ends

    /// Ends reads with an error, but for those that have more patience than the statement had.
    private func fail(_ reads: [PendingRead], _ error: any Error) {
        var answers = Answers()
        let now = ContinuousClock.now
        let isOfTime = (error as? PostgresError)?.kind == .deadlineExceeded
        for read in reads where !read.hasEnded {
            if isOfTime, read.deadline > now { submit(read) } else { answers.add(read, .failure(error)) }
        }
        answers.handOut()
    }

    /// Ends reads whose deadline passes while they wait. One timer for all: a timer for each would cost what a tenth of
    /// the reads do. A task of its own, which ends when no read waits.
    private func watch() {
        Task { [self] in
            while true {
                // Not cancelled by anybody, so it doesn't throw.
                try? await Task.sleep(for: Self.watchInterval)
                let now = ContinuousClock.now
                let (expired, isOver) = state.withLock { state in
                    let isIdle = !state.isProving && !state.refreshes.contains(where: \.isUnderWay)
                    state.isWatched = !isIdle
                    return (state.removeExpired(now), isIdle)
                }
                var answers = Answers()
                for read in expired { answers.add(read, .failure(PostgresError(.deadlineExceeded))) }
                answers.handOut()
                if isOver { return }
            }
        }
    }
}

extension WorkspaceReads.State {
    /// Removes the reads past their deadline from the lists of those that wait, and returns these and those of
    /// statements under way.
    fileprivate mutating func removeExpired(_ now: ContinuousClock.Instant) -> [PendingRead] {
        var expired = proving.filter { $0.deadline <= now }
        expired += waiting.filter { $0.deadline <= now }
        waiting.removeAll { $0.deadline <= now }
        for kind in refreshes.indices {
            expired += (refreshes[kind].running + refreshes[kind].waiting).filter { $0.deadline <= now }
            refreshes[kind].waiting.removeAll { $0.deadline <= now }
        }
        return expired
    }
}

extension Error {
    /// Whether a refresh failed by what it read and not by how it went, so that one for other sets may succeed.
    fileprivate var isOfOneQuestion: Bool {
        self is DamagedSet || (self as? PostgresError)?.kind == .decoding
    }
}
