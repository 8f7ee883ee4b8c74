import MusterProtocol
import MusterSets

extension ProvedRead {
    /// For each child of an `all` or `any` of the first filter the size of the filter without it. Throws if its task is
    /// cancelled: there may be hundreds.
    func marginals() throws -> [NodeSize] {
        guard let expression = plan.expressions.first else { return [] }
        let operands = operands
        var marginals: [NodeSize] = []
        try expression.forEachMarginal { node, rest in
            try Task.checkCancellation()
            guard let path = plan.paths[node] else { return }
            let size = Evaluation(rest, universe: state.everyone.members, operands: operands).count()
            marginals.append(NodeSize(path: path, size: size))
        }
        return marginals
    }

    /// The sizes of the regions into which the other filters divide the users of the first.
    func regions() -> [RegionSize] {
        let sets = evaluations.map { $0.members() }
        guard let first = sets.first else { return [] }
        let count = sets.count - 1
        return first.regionSizes(dividedBy: Array(sets.dropFirst())).enumerated().map { index, size in
            RegionSize(in: (1...count).map { index >> (count - $0) & 1 == 1 }, size: size)
        }
    }
}
