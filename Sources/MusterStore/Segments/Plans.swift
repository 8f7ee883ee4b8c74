import Locking
import MusterProtocol
import MusterSets

/// The saved filters of a workspace that this process knows, and the plans made from them. What it knows may be old:
/// every read proves the versions that it used.
final class Plans: Sendable {
    private struct State {
        var definitions: [Identifier: Definition] = [:]
        var plans: [Question: Plan] = [:]
        var everySegment: Set<Identifier> = []
    }

    enum Finding {
        case plan(Plan)
        /// The definitions of these must be looked up first, 0 being the version of one that is not known at all. Where
        /// there is a fault, it is one only if they are all as they were known: what is known of different segments may
        /// be of different age.
        case doubtful([SegmentVersion], FilterFault?)
    }

    /// Plans of filters that nobody saved are many and short-lived; beyond this all are made anew.
    private static let maxPlans = 1_000

    private let state = Locked(State())

    func plan(for question: Question) throws -> Finding {
        var compiler = PlanCompiler(definitions: [:])
        do { return try plan(for: question, with: &compiler) } catch let fault as FilterFault {
            return .doubtful(compiler.doubtful, fault)
        }
    }

    private func plan(for question: Question, with compiler: inout PlanCompiler) throws -> Finding {
        if let plan = state.withLock({ $0.plans[question] }) { return .plan(plan) }
        let (definitions, every) = state.withLock { ($0.definitions, $0.everySegment) }
        compiler = PlanCompiler(definitions: definitions)
        let roots: [SetExpression]
        var ids: [Identifier] = []
        switch question {
        case .filter(let filter): roots = [try compiler.root(filter)]
        case .segments(let segments): (ids, roots) = (segments, try segments.map { try compiler.root(segment: $0) })
        case .everySegment:
            ids = every.sorted()
            roots = try ids.map { try compiler.root(segment: $0) }
        }
        guard compiler.unknown.isEmpty else { return .doubtful(compiler.doubtful, nil) }
        let plan = Plan(compiler, roots: roots, segmentIDs: ids, allSegments: question == .everySegment)
        state.withLock { state in
            if state.plans.count >= Self.maxPlans { state.plans = [:] }
            state.plans[question] = plan
        }
        return .plan(plan)
    }

    /// Takes over what a look found. Whether anything of it was not known.
    @discardableResult
    func learn(from look: Look, everySegment: Bool) -> Bool {
        state.withLock { state in
            var isNew = false
            for (id, found) in look.definitions where state.definitions[id]?.version != found?.version {
                // One that came without its filter is known to be another, and is looked up by the next plan.
                state.definitions[id] = found.flatMap { found in
                    found.filter.map { Definition(version: found.version, filter: $0) }
                }
                state.plans = [:]
                isNew = true
            }
            guard everySegment else { return isNew }
            let every = Set(look.definitions.compactMap { $0.value == nil ? nil : $0.key })
            if every != state.everySegment { (state.everySegment, state.plans, isNew) = (every, [:], true) }
            return isNew
        }
    }

    /// A look has shown that the plan of this question is of older definitions.
    func forget(_ question: Question) {
        state.withLock { $0.plans[question] = nil }
    }
}

extension PlanCompiler {
    /// All that the expression depends on or lacks.
    fileprivate var doubtful: [SegmentVersion] {
        segments.map { SegmentVersion(segmentID: $0, version: $1) }
            + unknown.map { SegmentVersion(segmentID: $0, version: 0) }
    }
}
