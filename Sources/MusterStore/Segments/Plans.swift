import MusterProtocol
import MusterSets

/// The saved filters of a workspace that this process knows, and the plans made from them. What it knows may be old: every read
/// proves the versions that it used.
final class Plans: Sendable {
    private struct State {
        var definitions: [Identifier: Definition] = [:]
        var plans: [Question: Plan] = [:]
        var everySegment: Set<Identifier> = []
    }

    enum Finding {
        case plan(Plan)
        /// The definitions of these must be looked up first.
        case unknown(Set<Identifier>)
    }

    /// Plans of filters that nobody saved are many and short-lived; beyond this all are made anew.
    private static let mostPlans = 1_000

    private let state = Locked(State())

    func plan(for question: Question) throws -> Finding {
        if let plan = state.withLock({ $0.plans[question] }) { return .plan(plan) }
        let (definitions, every) = state.withLock { ($0.definitions, $0.everySegment) }
        var compiler = PlanCompiler(definitions: definitions)
        let roots: [SetExpression]
        var ids: [Identifier] = []
        switch question {
        case .filter(let filter): roots = [try compiler.root(filter)]
        case .segments(let segments): (ids, roots) = (segments, try segments.map { try compiler.root(segment: $0) })
        case .everySegment:
            ids = every.sorted()
            roots = try ids.map { try compiler.root(segment: $0) }
        }
        guard compiler.unknown.isEmpty else { return .unknown(compiler.unknown) }
        let plan = Plan(compiler, roots: roots, segmentIDs: ids, allSegments: question == .everySegment)
        state.withLock { state in
            if state.plans.count >= Self.mostPlans { state.plans = [:] }
            state.plans[question] = plan
        }
        return .plan(plan)
    }

    /// Takes over what a look found.
    func learn(from look: Look, everySegment: Bool) {
        state.withLock { state in
            for (id, found) in look.definitions where state.definitions[id]?.version != found?.version {
                // One that came without its filter is known to be another, and is looked up by the next plan.
                state.definitions[id] = found.flatMap { found in
                    found.filter.map { Definition(version: found.version, filter: $0) }
                }
                state.plans = [:]
            }
            guard everySegment else { return }
            let every = Set(look.definitions.compactMap { $0.value == nil ? nil : $0.key })
            if every != state.everySegment { (state.everySegment, state.plans) = (every, [:]) }
        }
    }

    /// A look has shown that the plan of this question is of older definitions.
    func forget(_ question: Question) {
        state.withLock { $0.plans[question] = nil }
    }
}
