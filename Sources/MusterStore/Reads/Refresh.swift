import Locking
import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// What a refresh may take its time for. Reads of one kind wait for their own kind alone.
enum RefreshKind: Int, CaseIterable {
    /// Definitions, changes of sets, identifiers, rows of users.
    case quick
    /// Sets of leaves, brought on by the users who changed.
    case advancing
    /// Sets of leaves, from all users: seconds.
    case scanning
}

/// Brings memory to the heads of one snapshot, for some reads, and proves it thereby.
struct Refresh {
    struct Outcome: Sendable {
        var answers = Answers()
        /// Reads that need another kind of refresh.
        var moved: [(RefreshKind, [PendingRead])] = []
        /// Leaves of checks whose sets are worth making.
        var wanted: Set<AnyComputedLeaf> = []
    }

    /// Users whose changes are looked at to bring a leaf's set on for a check; their own rows cost less than more.
    private static let maxChangedUsers = 2_000

    private let reads: [PendingRead]
    private let kind: RefreshKind
    private let memory: WorkspaceReads
    private let isShared: Bool
    private let startedAt = ContinuousClock.now
    /// The moment for which windows of the last days are judged.
    let now = Instant.now
    private var outcome = Outcome()
    private var heads = Heads([])
    private var plans: [Question: QueryPlan] = [:]
    private var numbers: [CohortReference: Int32] = [:]
    private var sets: [Int32: Result<SetState, any Error>] = [:]
    private var leafSets: [AnyComputedLeaf: LeafSet] = [:]
    private var states: [ObjectIdentifier: Result<PlanState, any Error>] = [:]

    /// - Parameter isShared: whether it is the workspace's only refresh of its kind, so that it may bring the directory
    ///   on: others see older or newer states at the same time.
    init(of reads: [PendingRead], _ kind: RefreshKind, for memory: WorkspaceReads, isShared: Bool = true) {
        self.isShared = isShared
        self.reads = reads
        self.kind = kind
        self.memory = memory
    }

    private var workspace: WorkspaceID { memory.workspace }
    private var resources: ReadResources { memory.resources }

    mutating func run(in transaction: borrowing WorkspaceTransaction) throws -> Outcome {
        try readHeads(transaction)
        resources.failpoints.reachBlocking(.refreshBegan)
        try makePlans(transaction)
        try findCohorts(transaction)
        try readSets(transaction)
        try readLeaves(transaction)
        resources.freeEvicted()
        makeStates()
        try answer(transaction)
        return outcome
    }

    // MARK: Heads, definitions, cohorts

    private mutating func readHeads(_ transaction: borrowing WorkspaceTransaction) throws {
        var known = Set(Heads.common)
        for question in Set(reads.map(\.question)) {
            if let latest = memory.plans[question]?.latest.withLock({ $0 }) {
                known.formUnion(latest.state.numbers)
            }
        }
        heads = Heads(try transaction.heads(Array(known)))
    }

    private mutating func makePlans(_ transaction: borrowing WorkspaceTransaction) throws {
        guard let head = heads[SetKey.definitions] else { throw UnfinishedWorkspace() }
        let definitions = try transaction.definitions(at: head, from: memory.plans.definitions)
        memory.plans.keep(definitions)
        var faults: [Question: any Error] = [:]
        for read in reads where plans[read.question] == nil {
            if faults[read.question] == nil {
                do { plans[read.question] = try memory.plans.plan(for: read.question, over: definitions) } catch {
                    faults[read.question] = error
                }
            }
            if let fault = faults[read.question] { outcome.answers.add(read, .failure(fault)) }
        }
    }

    /// The set of each cohort: as it was, where its head is still there, else looked up.
    private mutating func findCohorts(_ transaction: borrowing WorkspaceTransaction) throws {
        var unknown: Set<CohortReference> = []
        for plan in plans.values {
            let known = plan.latest.withLock { $0?.state.cohorts }
            for cohort in plan.cohorts {
                if let number = known?[cohort]?.number, heads[number] != nil {
                    numbers[cohort] = number
                } else {
                    unknown.insert(cohort)
                }
            }
        }
        let missing = unknown.filter { numbers[$0] == nil }
        guard !missing.isEmpty else { return }
        for (cohort, number) in try transaction.sets(of: Array(missing)) { numbers[cohort] = number }
        let added = Set(missing.compactMap { numbers[$0] }).filter { heads[$0] == nil }
        if !added.isEmpty { heads.merge(try transaction.heads(Array(added))) }
    }

    // MARK: Sets

    private mutating func readSets(_ transaction: borrowing WorkspaceTransaction) throws {
        var behind: [Int32] = []
        for number in Set([SetKey.everyone] + numbers.values) {
            guard let head = heads[number] else { continue }
            let cached = resources.sets[SetKey(workspace: workspace, number: number)]
            if head == .none {
                sets[number] = .success(.empty)
            } else if let cached, cached.at == head {
                sets[number] = .success(cached)
            } else {
                behind.append(number)
            }
        }
        guard !behind.isEmpty else { return }
        for (number, result) in try transaction.current(behind, at: heads, cache: resources.sets) {
            sets[number] = result
        }
    }

    // MARK: Computed leaves

    private mutating func readLeaves(_ transaction: borrowing WorkspaceTransaction) throws {
        leafSets = resources.leafSets(
            of: Array(Set(plans.values.flatMap(\.computed))), at: heads, now, in: workspace)
        let wanted = lacking { $0.needsSets }
        let known = Dictionary(
            uniqueKeysWithValues: lacking { _ in true }.compactMap { leaf in
                resources.derived[.leaf(workspace, leaf)].map { (leaf, $0) }
            })
        switch kind {
        case .quick:
            let checked = lacking { !$0.needsSets }.filter { $0.isKeptForChecks }
            advanced(try checked.advance(known, maxUsers: Self.maxChangedUsers, in: transaction))
        case .advancing:
            advanced(try wanted.advance(known, maxUsers: nil, in: transaction))
        case .scanning:
            advanced(try wanted.advance(known, maxUsers: nil, in: transaction))
            let rest = wanted.filter { leafSets[$0] == nil }
            resources.counts.scanned(rest.count)
            keep(try rest.scan(now: now, in: transaction))
        }
    }

    /// The computed leaves of some reads whose sets aren't known at these heads.
    private func lacking(where isMeant: (PendingRead) -> Bool) -> [AnyComputedLeaf] {
        let questions = Set(reads.filter(isMeant).map(\.question))
        let leaves = Set(questions.flatMap { plans[$0]?.computed ?? [] })
        return leaves.filter { leafSets[$0] == nil }
    }

    private mutating func advanced(_ sets: [AnyComputedLeaf: ComputedSet]) {
        resources.counts.advanced(sets.count)
        keep(sets)
    }

    private mutating func keep(_ sets: [AnyComputedLeaf: ComputedSet]) {
        for (leaf, computed) in sets {
            guard let head = heads[leaf.head] else { continue }
            let set = LeafSet(at: head, computed: computed)
            leafSets[leaf] = set
            resources.derived.put(set, for: .leaf(workspace, leaf))
        }
    }

    // MARK: States and answers

    private mutating func makeStates() {
        for plan in plans.values {
            let state = Result { try makeState(of: plan) }
            states[ObjectIdentifier(plan)] = state
            guard case .success(let state) = state else { continue }
            plan.latest.withLock { $0 = ProvedPlan(state: state, at: startedAt, heads: heads) }
        }
    }

    private func makeState(of plan: QueryPlan) throws -> PlanState {
        var cohorts: [CohortReference: StoredCohort] = [:]
        for cohort in plan.cohorts {
            guard let number = numbers[cohort], let set = sets[number] else {
                throw FilterFault.missingCohort(cohort, path: plan.cohortPaths[cohort] ?? "filter")
            }
            cohorts[cohort] = StoredCohort(number: number, state: try set.get())
        }
        guard let everyone = sets[SetKey.everyone] else { throw UnfinishedWorkspace() }
        return PlanState(
            plan, everyone: try everyone.get(), cohorts: cohorts,
            leafSets: leafSets.filter { plan.computed.contains($0.key) })
    }

    private mutating func answer(_ transaction: borrowing WorkspaceTransaction) throws {
        var ready: [(PendingRead, ProvedRead)] = []
        var moved: [RefreshKind: [PendingRead]] = [:]
        for read in reads {
            guard let plan = plans[read.question], let state = states[ObjectIdentifier(plan)] else { continue }
            do {
                let state = try state.get()
                let lacking = state.lacking(of: plan)
                if read.needsSets, !lacking.isEmpty {
                    let known = lacking.contains { resources.derived[.leaf(workspace, $0)] != nil }
                    moved[kind == .quick && known ? .advancing : .scanning, default: []].append(read)
                } else {
                    ready.append((read, ProvedRead(plan: plan, state: state, heads: heads)))
                }
            } catch { outcome.answers.add(read, .failure(error)) }
        }
        outcome.moved = Array(moved)
        try findUsers(of: &ready, transaction)
        for (read, proved) in ready { outcome.answers.add(read, .success(proved)) }
    }

    /// Looks up the users of reads, and their rows where computed leaves need them.
    private mutating func findUsers(
        of ready: inout [(PendingRead, ProvedRead)], _ transaction: borrowing WorkspaceTransaction
    ) throws {
        // Also where nobody asks about users: the next import or check does.
        let directory = try currentDirectory(transaction)
        let asking = ready.indices.filter { !ready[$0].0.users.isEmpty }
        guard !asking.isEmpty else { return }
        var unknown: [Int] = []
        for index in asking {
            let digests = ready[index].0.digests
            ready[index].1.users = digests.flatMap { digests in
                heads[SetKey.identifiers].flatMap { directory?.users(of: digests, at: $0) }
            }
            if ready[index].1.users == nil { unknown.append(index) }
        }
        if !unknown.isEmpty {
            var found = try transaction.find(unknown.flatMap { ready[$0].0.users })[...]
            for index in unknown {
                let count = ready[index].0.users.count
                ready[index].1.users = Array(found.prefix(count))
                found = found.dropFirst(count)
            }
        }
        try readRows(of: &ready, asking, transaction)
    }

    private mutating func readRows(
        of ready: inout [(PendingRead, ProvedRead)], _ asking: [Int], _ transaction: borrowing WorkspaceTransaction
    ) throws {
        var leaves: Set<AnyComputedLeaf> = []
        var users: Set<UserNumber> = []
        var lacking: [Int] = []
        for index in asking where ready[index].1.state.evaluations == nil {
            leaves.formUnion(ready[index].1.state.lacking(of: ready[index].1.plan))
            users.formUnion((ready[index].1.users ?? []).compactMap(\.self))
            lacking.append(index)
        }
        guard !lacking.isEmpty else { return }
        let passing = try Array(leaves).passing(among: Array(users), now: now, in: transaction)
        for index in lacking { ready[index].1.passing = passing }
        let stale = Set(
            lacking.filter { ready[$0].0.mayBeStale }.flatMap { ready[$0].1.state.lacking(of: ready[$0].1.plan) })
        outcome.wanted = leaves.filter { leaf in
            stale.contains(leaf) || (leaf.isKeptForChecks && resources.derived[.leaf(workspace, leaf)] == nil)
        }
    }

    /// The directory of the workspace at the head of identifiers; nil where there is none.
    private func currentDirectory(_ transaction: borrowing WorkspaceTransaction) throws -> IdentityDirectory? {
        guard let head = heads[SetKey.identifiers], let directory = resources.directories.directory(of: workspace)
        else { return nil }
        if directory.version == head { return directory }
        guard kind == .quick, isShared else { return nil }
        if try transaction.refresh(directory, to: head) { return directory }
        resources.directories.drop(directory, of: workspace)
        return nil
    }
}
