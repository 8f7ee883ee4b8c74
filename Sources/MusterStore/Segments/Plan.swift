import Locking
import MusterProtocol
import MusterSets
import MusterUsers

/// A saved filter as this process knows it.
struct Definition: Sendable {
    let version: Int64
    let filter: Filter
}

/// One leaf of a filter that stands for a set.
enum Operand: Hashable, Sendable {
    case cohort(CohortReference)
    case attribute(AttributeFilter)
    case event(EventLeaf)
}

/// Filters made ready to be evaluated: saved filters put in their places, leaves numbered.
final class Plan: Sendable {
    let scope: LookScope
    let operands: [Operand]
    /// One for each segment of the question, or for its filter.
    let roots: [SetExpression]
    /// The ids of the segments that the roots stand for, in their order; none for a filter of its own.
    let segmentIDs: [Identifier]
    /// For each node of the first root in preorder its path in the filter; nil for a node that only the expression has.
    let paths: [String?]
    /// Where each cohort stands in the filter, for errors.
    let cohortPaths: [CohortReference: String]
    /// The last look that was made for this plan, for callers that don't need the newest.
    let recent = Locked<Look?>(nil)
    /// The roots over the sets of the last look.
    private let bound = Locked<(versions: [SetVersion], evaluations: [Evaluation])?>(nil)

    init(_ compiler: PlanCompiler, roots: [SetExpression], segmentIDs: [Identifier], allSegments: Bool) {
        operands = compiler.operands
        self.roots = roots
        self.segmentIDs = segmentIDs
        paths = compiler.paths
        cohortPaths = compiler.cohortPaths
        scope = LookScope(
            cohorts: operands.compactMap { if case .cohort(let cohort) = $0 { cohort } else { nil } },
            segments: compiler.segments.map { SegmentVersion(segmentID: $0, version: $1) }.sorted {
                $0.segmentID < $1.segmentID
            },
            attributes: operands.compactMap { if case .attribute(let attribute) = $0 { attribute } else { nil } },
            events: operands.compactMap { if case .event(let leaf) = $0 { leaf } else { nil } },
            allSegments: allSegments)
    }

    /// Whether the look found every definition as this plan has it.
    func stands(in look: Look) -> Bool {
        let same = scope.segments.allSatisfy { (look.definitions[$0.segmentID] ?? nil)?.version == $0.version }
        guard scope.allSegments else { return same }
        return same && look.definitions.count { $0.value != nil } == segmentIDs.count
    }

    /// The roots over these sets. What was made for the same versions before is used again.
    func evaluations(everyone: SetState, operands sets: [SetState]) -> [Evaluation] {
        let versions = [everyone.at] + sets.map(\.at)
        let reusable = scope.hasHistory
        if reusable, let made = bound.withLock({ $0 }), made.versions == versions { return made.evaluations }
        let evaluations = roots.map {
            Evaluation($0, universe: everyone.members, operands: sets.map(\.members))
        }
        if reusable { bound.withLock { $0 = (versions, evaluations) } }
        return evaluations
    }
}

/// Turns filters into expressions over numbered operands.
struct PlanCompiler {
    let definitions: [Identifier: Definition]
    private(set) var operands: [Operand] = []
    private(set) var segments: [Identifier: Int64] = [:]
    private(set) var paths: [String?] = []
    private(set) var cohortPaths: [CohortReference: String] = [:]
    /// Segments whose definitions are not known yet; the expression is of no use while there are any.
    private(set) var unknown: Set<Identifier> = []
    private var places: [Operand: Int] = [:]
    private var nodes = 0

    init(definitions: [Identifier: Definition]) {
        self.definitions = definitions
    }

    /// The expression of a saved segment, as a root: its filter may be as deep as one that nobody saved.
    mutating func root(segment id: Identifier) throws -> SetExpression {
        nodes = 0
        return try saved(id, path: "", depth: 0)
    }

    mutating func root(_ filter: Filter) throws -> SetExpression {
        nodes = 0
        return try expression(filter, path: filter.name, depth: 1)
    }

    private mutating func expression(_ filter: Filter, path: String, depth: Int) throws -> SetExpression {
        guard depth <= Limits.filterDepth.value else { throw FilterFault.tooDeep(path: path) }
        if case .segment(let segment) = filter { return try saved(segment.segmentID, path: path, depth: depth) }
        nodes += 1
        guard nodes <= Limits.filterNodes.value else { throw FilterFault.tooManyNodes(path: path) }
        paths.append(path)
        switch filter {
        case .everyone: return .everyone
        case .all(let filters): return .all(try children(filters, path, depth))
        case .any(let filters): return .any(try children(filters, path, depth))
        case .not(let inner): return .not(try expression(inner, path: "\(path).\(inner.name)", depth: depth + 1))
        case .cohort(let cohort):
            cohortPaths[cohort] = cohortPaths[cohort] ?? path
            return .set(place(of: .cohort(cohort)))
        case .attribute(let attribute):
            let leaf = SetExpression.set(place(of: .attribute(attribute.positive)))
            guard attribute.comparison.isNegative else { return leaf }
            paths.append(nil)
            return .not(leaf)
        case .event(let event): return expression(.event(event))
        case .purchase(let purchase): return expression(.purchase(purchase))
        case .segment: return .nothing
        }
    }

    private mutating func expression(_ leaf: EventLeaf) -> SetExpression {
        let set = SetExpression.set(place(of: .event(leaf)))
        guard leaf.passesWithoutAny else { return set }
        paths.append(nil)
        return .not(set)
    }

    private mutating func children(_ filters: [Filter], _ path: String, _ depth: Int) throws -> [SetExpression] {
        try filters.enumerated().map { index, filter in
            try expression(filter, path: "\(path)[\(index)].\(filter.name)", depth: depth + 1)
        }
    }

    /// A saved filter stands in the place of the node that names it.
    private mutating func saved(_ id: Identifier, path: String, depth: Int) throws -> SetExpression {
        guard let definition = definitions[id] else {
            unknown.insert(id)
            paths.append(path)
            return .nothing
        }
        segments[id] = definition.version
        return try expression(definition.filter, path: path.isEmpty ? definition.filter.name : path, depth: depth + 1)
    }

    private mutating func place(of operand: Operand) -> Int {
        if let place = places[operand] { return place }
        places[operand] = operands.count
        operands.append(operand)
        return operands.count - 1
    }
}
