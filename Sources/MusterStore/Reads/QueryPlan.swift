import Locking
import MusterProtocol
import MusterSets
import MusterUsers

/// A question made ready to be evaluated: saved filters put in their places, leaves numbered, expressions compiled.
final class QueryPlan: Sendable {
    let question: Question
    /// The version of all definitions that it is made from.
    let definitions: SetVersion
    /// The operands of the expressions, in their order.
    let leaves: [Leaf]
    /// One for each segment of the question, or for its filter.
    let expressions: [SetExpression]
    /// The same, compiled.
    let roots: [CompiledExpression]
    /// The ids of the segments that the roots stand for, in their order; none for a filter of its own.
    let segmentIDs: [Identifier]
    /// The names of all segments of the workspace.
    let names: [Identifier: String]
    /// The saved filters that were used, each at the version of its definition.
    let segments: [SegmentVersion]
    /// For each node of the first root in preorder its path in the filter; nil for a node that only the expression has.
    let paths: [String?]
    /// Where each cohort stands in the call, for errors.
    let cohortPaths: [CohortReference: String]
    let cohorts: [CohortReference]
    let computed: [AnyComputedLeaf]
    /// The path of the first leaf that has no history.
    let pathWithoutHistory: String?
    /// The state of its sets as last proved.
    let latest = Locked<ProvedPlan?>(nil)

    init(
        _ question: Question, _ compiler: PlanCompiler, roots: [SetExpression], segmentIDs: [Identifier],
        from definitions: Definitions
    ) {
        self.question = question
        self.definitions = definitions.at
        leaves = compiler.leaves
        expressions = roots
        self.roots = roots.map { CompiledExpression($0) }
        self.segmentIDs = segmentIDs
        names = question == .everySegment ? definitions.names : [:]
        paths = compiler.paths
        cohortPaths = compiler.cohortPaths
        pathWithoutHistory = compiler.pathWithoutHistory
        cohorts = leaves.compactMap { if case .cohort(let cohort) = $0 { cohort } else { nil } }
        computed = leaves.compactMap { if case .computed(let leaf) = $0 { leaf } else { nil } }
        segments = compiler.segments.map { SegmentVersion(segmentID: $0, version: $1) }.sorted {
            $0.segmentID < $1.segmentID
        }
    }

    /// Whether all leaves stand for sets that keep their changes, so that an earlier state can be shown.
    var hasHistory: Bool { computed.isEmpty }

    /// Whether it names a saved filter, so that it is of one version of the definitions only.
    var dependsOnDefinitions: Bool { !segments.isEmpty || question == .everySegment }
}

/// A plan's state, and when a statement last proved it current.
struct ProvedPlan: Sendable {
    let state: PlanState
    /// When the statement was sent: whatever was acknowledged before is in it.
    let at: ContinuousClock.Instant
    /// The heads that it returned.
    let heads: Heads
}
