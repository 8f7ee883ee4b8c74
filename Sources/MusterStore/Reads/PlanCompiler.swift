import MusterProtocol
import MusterSets
import MusterUsers

/// Turns filters into expressions over numbered operands.
struct PlanCompiler {
    let definitions: [Identifier: Definition]
    private let damaged: [Identifier: DamagedSet]
    private(set) var leaves: [Leaf] = []
    private(set) var segments: [Identifier: Int64] = [:]
    private(set) var paths: [String?] = []
    /// From the body of the call.
    private(set) var cohortPaths: [CohortReference: String] = [:]
    /// Segments that filters name and that there are not; the expression is of no use while there are any.
    private(set) var unknown: Set<Identifier> = []
    /// The path from the body of the first leaf that has no history.
    private(set) var pathWithoutHistory: String?
    private var places: [Leaf: Int] = [:]
    private var nodes = 0
    /// The field of the root that is compiled.
    private var field = "filter"

    init(definitions: [Identifier: Definition], damaged: [Identifier: DamagedSet] = [:]) {
        self.definitions = definitions
        self.damaged = damaged
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

    mutating func root(_ part: QuestionPart) throws -> SetExpression {
        field = part.field
        switch part.subject {
        case .segment(let id): return try root(segment: id)
        case .filter(let filter): return try root(filter)
        }
    }

    private mutating func expression(_ filter: Filter, path: String, depth: Int) throws -> SetExpression {
        guard depth <= Limits.filterDepth.value else { throw FilterFault.tooDeep(path: "\(field).\(path)") }
        if case .segment(let segment) = filter { return try saved(segment.segmentID, path: path, depth: depth) }
        nodes += 1
        guard nodes <= Limits.filterNodes.value else { throw FilterFault.tooManyNodes(path: "\(field).\(path)") }
        paths.append(path)
        switch filter {
        case .everyone: return .everyone
        case .all(let filters): return .all(try children(filters, path, depth))
        case .any(let filters): return .any(try children(filters, path, depth))
        case .not(let inner): return .not(try expression(inner, path: "\(path).\(inner.name)", depth: depth + 1))
        case .cohort(let cohort):
            cohortPaths[cohort] = cohortPaths[cohort] ?? "\(field).\(path)"
            return .set(place(of: .cohort(cohort), path))
        case .attribute(let attribute):
            let leaf = SetExpression.set(place(of: .computed(AnyComputedLeaf(attribute.positive)), path))
            guard attribute.comparison.isNegative else { return leaf }
            paths.append(nil)
            return .not(leaf)
        case .identifier(let identifier): return .set(place(of: .computed(AnyComputedLeaf(identifier)), path))
        case .event(let event): return expression(.event(event), path)
        case .purchase(let purchase): return expression(.purchase(purchase), path)
        case .segment: return .nothing
        }
    }

    private mutating func expression(_ leaf: EventLeaf, _ path: String) -> SetExpression {
        let set = SetExpression.set(place(of: .computed(AnyComputedLeaf(leaf)), path))
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
        if let damage = damaged[id] { throw damage }
        guard let definition = definitions[id] else {
            unknown.insert(id)
            paths.append(path)
            return .nothing
        }
        segments[id] = definition.version
        return try expression(definition.filter, path: path.isEmpty ? definition.filter.name : path, depth: depth + 1)
    }

    private mutating func place(of leaf: Leaf, _ path: String) -> Int {
        if case .computed = leaf { pathWithoutHistory = pathWithoutHistory ?? "\(field).\(path)" }
        if let place = places[leaf] { return place }
        places[leaf] = leaves.count
        leaves.append(leaf)
        return leaves.count - 1
    }
}
