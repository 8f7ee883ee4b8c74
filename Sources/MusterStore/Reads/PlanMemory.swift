import Locking
import MusterProtocol
import MusterSets

/// The definitions of a workspace that this process knows, and the plans made from them. They may be old: every read
/// proves the version that it used.
final class PlanMemory: Sendable {
    private struct State {
        var definitions: Definitions?
        var plans: [Question: QueryPlan] = [:]
    }

    /// Plans of filters that nobody saved are many and short-lived; beyond this all are made anew.
    static let maxPlans = 1_000

    private let state = Locked(State())

    var definitions: Definitions? { state.withLock { $0.definitions } }

    /// Keeps definitions, and drops the plans that are made from others.
    func keep(_ definitions: Definitions) {
        state.withLock { state in
            guard state.definitions?.at != definitions.at else { return }
            state.definitions = definitions
            state.plans = state.plans.filter { !$0.value.dependsOnDefinitions }
        }
    }

    /// The plan of a question, over whatever definitions.
    subscript(question: Question) -> QueryPlan? { state.withLock { $0.plans[question] } }

    /// The plan of a question over definitions; made where there is none. Throws `FilterFault`.
    func plan(for question: Question, over definitions: Definitions) throws -> QueryPlan {
        if let known = self[question], !known.dependsOnDefinitions || known.definitions == definitions.at {
            return known
        }
        let made = try definitions.plan(for: question)
        state.withLock { state in
            if state.plans.count >= Self.maxPlans { state.plans = [:] }
            state.plans[question] = made
        }
        return made
    }

    /// Lets go of the sets that plans hold, so that their memory is free when the cache evicts them.
    func dropStates() {
        for plan in state.withLock({ Array($0.plans.values) }) { plan.latest.withLock { $0 = nil } }
    }
}
