import Locking
import MusterProtocol
import MusterSets
import MusterUsers

/// The state of a plan's sets, all of one moment.
final class PlanState: Sendable {
    let everyone: SetState
    let cohorts: [CohortReference: StoredCohort]
    /// Each leaf's set; nil for a computed leaf whose set isn't known.
    let operands: [MemberSet?]
    /// The computed leaves whose sets are known.
    private let leafSets: [AnyComputedLeaf: LeafSet]
    /// The plan's expressions over the operands; nil where one of them isn't known.
    let evaluations: [Evaluation]?
    /// The heads of stored sets that it depends on.
    let numbers: [Int32]
    /// The size of the first expression, once it is counted.
    private let firstCount = Locked<Int?>(nil)

    init(
        _ plan: QueryPlan, everyone: SetState, cohorts: [CohortReference: StoredCohort],
        leafSets: [AnyComputedLeaf: LeafSet]
    ) {
        self.everyone = everyone
        self.cohorts = cohorts
        self.leafSets = leafSets
        let operands = plan.leaves.map { leaf in
            switch leaf {
            case .cohort(let cohort): cohorts[cohort]?.state.members
            case .computed(let leaf): leafSets[leaf]?.members
            }
        }
        let known = operands.compactMap(\.self)
        self.operands = operands
        evaluations =
            known.count == operands.count
            ? plan.roots.map { Evaluation($0, universe: everyone.members, operands: known) } : nil
        numbers = [SetKey.everyone] + cohorts.values.map(\.number)
    }

    /// Whether the size of the first expression is known.
    var isCounted: Bool { firstCount.withLock { $0 } != nil }

    /// The size of the first expression: counted once for all who ask while nothing changes.
    func count(_ first: Evaluation) -> Int {
        if let known = firstCount.withLock({ $0 }) { return known }
        let count = first.count()
        firstCount.withLock { $0 = count }
        return count
    }

    /// The computed leaves whose sets aren't known.
    func lacking(of plan: QueryPlan) -> [AnyComputedLeaf] { plan.computed.filter { leafSets[$0] == nil } }

    /// Whether it is the state at these heads, at this moment.
    func isCurrent(at heads: Heads, _ now: Instant) -> Bool {
        heads[SetKey.everyone] == everyone.at && cohorts.values.allSatisfy { heads[$0.number] == $0.state.at }
            && leafSets.allSatisfy { leaf, set in heads[leaf.head] == set.at && set.holds(at: now) }
    }

    /// Evaluates the plan where sets of computed leaves are known of some users only.
    func evaluations(of plan: QueryPlan, with passing: [AnyComputedLeaf: MemberSet]) -> [Evaluation] {
        if let evaluations { return evaluations }
        let operands = operands(of: plan, with: passing)
        return plan.roots.map { Evaluation($0, universe: everyone.members, operands: operands) }
    }

    /// The operands of the plan, where sets of computed leaves are known of some users only.
    func operands(of plan: QueryPlan, with passing: [AnyComputedLeaf: MemberSet]) -> [MemberSet] {
        zip(plan.leaves, operands).map { leaf, known in
            if let known { return known }
            guard case .computed(let leaf) = leaf else { return MemberSet() }
            return passing[leaf] ?? []
        }
    }
}

/// The set of a cohort.
struct StoredCohort: Sendable {
    let number: Int32
    let state: SetState
}

/// A plan with the proved state of its sets, for one question.
struct ProvedRead: Sendable {
    let plan: QueryPlan
    let state: PlanState
    /// The heads of the same statement or snapshot.
    let heads: Heads
    /// The users that the question names, where they were looked up in the same snapshot; nil: by the directory.
    var users: [UserNumber?]?
    /// Of computed leaves whose sets aren't known, those of the question's users who pass.
    var passing: [AnyComputedLeaf: MemberSet] = [:]

    /// The expressions of the plan over its sets. Only where all computed leaves were asked for as sets.
    var evaluations: [Evaluation] { state.evaluations(of: plan, with: passing) }

    /// The sets over which they are evaluated.
    var operands: [MemberSet] { state.operands(of: plan, with: passing) }

    /// What was read, for `with_versions`.
    var versions: Versions {
        func version(_ head: Int32) -> Int64? {
            plan.computed.contains { $0.head == head } ? heads[head]?.version : nil
        }
        return Versions(
            everyone: state.everyone.at.version, attributes: version(SetKey.attributes),
            events: version(SetKey.events),
            cohorts: plan.cohorts.map { cohort in
                let stored = state.cohorts[cohort]
                return CohortVersion(
                    partner: cohort.partner, cohortID: cohort.cohortID, version: stored?.state.at.version ?? 0,
                    generation: stored?.number)
            },
            segments: plan.segments)
    }
}

extension PlanState {
    /// The state at these heads, where the caches have all of it; nil if something must be read.
    func next(
        of plan: QueryPlan, at heads: Heads, _ now: Instant, in workspace: WorkspaceID, _ resources: ReadResources
    ) -> PlanState? {
        func stored(_ number: Int32, _ known: SetState) -> SetState? {
            if heads[number] == known.at { return known }
            guard let head = heads[number],
                let cached = resources.sets[SetKey(workspace: workspace, number: number)], cached.at == head
            else { return nil }
            return cached
        }
        guard let everyone = stored(SetKey.everyone, everyone) else { return nil }
        var next: [CohortReference: StoredCohort] = [:]
        for (cohort, known) in cohorts {
            guard let state = stored(known.number, known.state) else { return nil }
            next[cohort] = StoredCohort(number: known.number, state: state)
        }
        return PlanState(
            plan, everyone: everyone, cohorts: next,
            leafSets: resources.leafSets(of: plan.computed, at: heads, now, in: workspace))
    }
}

extension ReadResources {
    /// The cached sets of computed leaves that are current at these heads.
    func leafSets(
        of leaves: [AnyComputedLeaf], at heads: Heads, _ now: Instant, in workspace: WorkspaceID
    ) -> [AnyComputedLeaf: LeafSet] {
        var sets: [AnyComputedLeaf: LeafSet] = [:]
        for leaf in leaves {
            guard let known = derived[.leaf(workspace, leaf)], known.at == heads[leaf.head], known.holds(at: now)
            else { continue }
            sets[leaf] = known
        }
        return sets
    }
}
