import Locking
import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// A question with everything needed to answer it, all of one state.
struct Reading: Sendable {
    let plan: Plan
    let look: Look
    /// The sets of the plan's operands, in their order.
    let operands: [SetState]

    var evaluations: [Evaluation] { plan.evaluations(everyone: look.everyone, operands: operands) }

    /// What was read, for `with_versions`.
    var versions: Versions {
        Versions(
            everyone: look.everyone.at.version,
            attributes: plan.scope.attributes.isEmpty ? nil : look.attributes.version,
            events: plan.scope.events.isEmpty ? nil : look.events.version,
            cohorts: plan.scope.cohorts.map { cohort in
                CohortVersion(
                    partner: cohort.partner, cohortID: cohort.cohortID,
                    version: look.cohorts[cohort]??.at.version ?? 0, generation: look.sets[cohort])
            },
            segments: plan.scope.segments)
    }
}

struct LookoutKey: Hashable {
    let workspace: WorkspaceID
    let work: Work

    /// What looks do beside reading heads and changes. Each kind waits for its own alone: a scan takes seconds where an
    /// advance takes milliseconds, and others less.
    enum Work { case none, advancing, scanning }
}

extension WantedSets {
    var work: LookoutKey.Work {
        if !scans.isEmpty || !eventScans.isEmpty { return .scanning }
        return advances.isEmpty ? .none : .advancing
    }
}

/// Who is in a set: of what users, cohorts, segments and filters consist, now and at earlier versions.
public struct AudienceStore: ScopedStore {
    let store: Store
    let scope: WorkspaceScope

    var derived: DerivedSets { store.derived }

    /// One look, shared with the calls that ask at the same time.
    func look(_ request: LookRequest, for work: LookoutKey.Work = .none) async throws -> Look {
        try await lookout(for: work).look(request, for: scope)
    }

    private func lookout(for work: LookoutKey.Work) -> Lookout {
        store.lookouts.withLock { lookouts in
            let key = LookoutKey(workspace: workspace, work: work)
            if let there = lookouts[key] { return there }
            // The look-out is the store's; a strong reference back would keep both for ever.
            let made = Lookout(counts: store.counts) { [weak store, workspace] request, deadline in
                guard let store else { throw CancellationError() }
                // Of no call, since it belongs to all calls that it serves.
                let scope = WorkspaceScope(workspace, deadline: deadline)
                return try await store.in(scope).audience.lookOnce(request)
            }
            lookouts[key] = made
            return made
        }
    }

    private var plans: Plans {
        store.plans.withLock { plans in
            if let there = plans[workspace] { return there }
            let made = Plans()
            plans[workspace] = made
            return made
        }
    }

    /// The sets of a question's leaves, all users' attributes included, as of now or as old as the caller allows.
    func reading(of question: Question, maxStaleness: Duration = .zero) async throws -> Reading {
        var wanted = WantedSets()
        for _ in 0..<Self.maxLooks {
            let plan = try await plan(for: question)
            let look: Look
            if wanted.work == .none, let recent = recentLook(of: plan, maxStaleness) {
                look = recent
            } else {
                look = try await self.look(LookRequest(scope: plan.scope, wanted: wanted), for: wanted.work)
                guard settled(plan, of: question, by: look) else { continue }
                plan.recent.withLock { $0 = look }
            }
            let attributes = attributeSets(of: plan, in: look)
            let events = eventSets(of: plan, in: look)
            wanted.eventScans.formUnion(plan.scope.events.filter { events[$0] == nil })
            guard
                plan.scope.attributes.contains(where: { attributes[$0] == nil })
                    || plan.scope.events.contains(where: { events[$0] == nil })
            else {
                return Reading(
                    plan: plan, look: look, operands: try operands(of: plan, look, attributes, events))
            }
            want(plan.scope.attributes, lacking: attributes, &wanted)
        }
        throw ChangingTooFast()
    }

    static var maxLooks: Int { 10 }

    /// The plan of a question, with the definitions that it needs looked up.
    func plan(for question: Question) async throws -> Plan {
        for _ in 0..<Limits.filterDepth.value + 2 {
            switch try plans.plan(for: question) {
            case .plan(let plan): return plan
            case .doubtful(let segments, let fault):
                let isEvery = question == .everySegment
                let scope = LookScope(cohorts: [], segments: segments, attributes: [], allSegments: isEvery)
                let look = try await look(LookRequest(scope: scope))
                let isNew = plans.learn(from: look, everySegment: isEvery)
                let missing = segments.map(\.segmentID).filter { (look.definitions[$0] ?? nil) == nil }.sorted()
                // One that only an old definition names is nobody's fault.
                if let named = missing.first(where: question.names) { throw question.fault(missing: named) }
                guard !isNew else { continue }
                if let fault = fault ?? missing.first.map(question.fault) { throw fault }
            }
        }
        throw ChangingTooFast()
    }

    /// Whether a look proved the plan current; if not, the next plan is made from what it found.
    func settled(_ plan: Plan, of question: Question, by look: Look) -> Bool {
        if plan.stands(in: look) { return true }
        let plans = self.plans
        plans.learn(from: look, everySegment: plan.scope.allSegments)
        plans.forget(question)
        return false
    }

    func recentLook(of plan: Plan, _ maxStaleness: Duration) -> Look? {
        guard maxStaleness > .zero, let recent = plan.recent.withLock({ $0 }) else { return nil }
        return recent.startedAt > oldestAllowed(maxStaleness) ? recent : nil
    }

    /// What was read before is too old for the caller, or may show somebody who was erased through this server since.
    func oldestAllowed(_ maxStaleness: Duration) -> ContinuousClock.Instant {
        let oldest = ContinuousClock.now - maxStaleness
        return store.lastErasures.withLock { max(oldest, $0[workspace] ?? oldest) }
    }

    /// All attributes in one look, also those that are known: when changes don't stop, what is worked out one look
    /// after the other is never of one version. What couldn't be brought on is worked out anew.
    private func want(
        _ attributes: [AttributeFilter], lacking known: [AttributeFilter: MemberSet], _ wanted: inout WantedSets
    ) {
        let inVain = wanted.advances.filter { known[$0] == nil }
        wanted.advances = Set(
            attributes.filter { !inVain.contains($0) && derived[.attribute(workspace, $0)] != nil })
        wanted.scans = Set(attributes).subtracting(wanted.advances)
    }

    /// The users that pass each attribute's test, where they are known at the look's version of all attributes.
    private func attributeSets(of plan: Plan, in look: Look) -> [AttributeFilter: MemberSet] {
        var sets: [AttributeFilter: MemberSet] = [:]
        for attribute in plan.scope.attributes {
            if let found = look.attributeSets[attribute] {
                derived.put(found, for: .attribute(workspace, attribute))
                sets[attribute] = found.members
            } else if let cached = derived[.attribute(workspace, attribute)], cached.at == look.attributes {
                sets[attribute] = cached.members
            }
        }
        return sets
    }

    /// The same of leaves over events, at the look's version of all events and, for windows of the last days, at its
    /// time.
    private func eventSets(of plan: Plan, in look: Look) -> [EventLeaf: MemberSet] {
        var sets: [EventLeaf: MemberSet] = [:]
        for leaf in plan.scope.events {
            if let scanned = look.eventScans[leaf] {
                derived.put(scanned, for: .event(workspace, leaf))
                sets[leaf] = scanned.members
            } else if let cached = derived[.event(workspace, leaf)], cached.at == look.events,
                cached.holds(at: look.now)
            {
                sets[leaf] = cached.members
            }
        }
        return sets
    }

    func operands(
        of plan: Plan, _ look: Look, _ attributes: [AttributeFilter: MemberSet], _ events: [EventLeaf: MemberSet]
    ) throws -> [SetState] {
        try plan.operands.map { operand in
            switch operand {
            case .cohort(let cohort):
                guard let state = look.cohorts[cohort] ?? nil else {
                    throw FilterFault.missingCohort(cohort, path: plan.cohortPaths[cohort] ?? "filter")
                }
                return state
            case .attribute(let attribute):
                return SetState(at: look.attributes, members: attributes[attribute] ?? [])
            case .event(let leaf): return SetState(at: look.events, members: events[leaf] ?? [])
            }
        }
    }
}

extension WorkspaceStore {
    /// Who is in the sets of the workspace.
    public var audience: AudienceStore { AudienceStore(store: store, scope: scope) }
}

extension ScopedStore {
    /// Notes that a write which ends users is done, or may be: what is in memory from before it answers nobody any
    /// more.
    func forgetWhatWasRead() { store.lastErasures.withLock { $0[workspace] = .now } }
}

extension Question {
    /// Whether the question itself names a segment, and not only a definition that it uses.
    fileprivate func names(_ id: Identifier) -> Bool {
        switch self {
        case .segments(let ids): return ids.contains(id)
        case .everySegment: return false
        case .filter(let filter):
            var found = false
            filter.forEachNode { node, _ in if node == .segment(id) { found = true } }
            return found
        }
    }

    /// What to say where a segment isn't there.
    func fault(missing id: Identifier) -> FilterFault {
        switch self {
        case .segments(let ids) where ids.contains(id): return .unknownSegment(id)
        case .segments, .everySegment: return .missingSegment(id, path: "filter")
        case .filter(let filter):
            var found = "filter"
            filter.forEachNode { node, path in
                if node == .segment(id) { found = path }
            }
            return .missingSegment(id, path: found)
        }
    }
}
