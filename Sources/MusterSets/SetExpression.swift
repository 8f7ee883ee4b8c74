/// Boolean algebra over sets, as a value: what a segment's filter comes down to.
///
/// `not` is taken within the universe of the evaluation. Whoever builds one from foreign input bounds its depth and size first (the filter
/// limits: depth 32, 256 nodes), since Swift itself frees it level by level.
public indirect enum SetExpression: Sendable, Equatable {
    /// The operand with this index.
    case set(Int)
    /// What is in each of them; of none, everyone.
    case all([SetExpression])
    /// What is in any of them; of none, nothing.
    case any([SetExpression])
    /// The universe without it.
    case not(SetExpression)
    /// The universe.
    case everyone
    /// The empty set.
    case nothing

    /// Nodes of the tree, itself included: the length of `Evaluation.counts()`.
    public var nodeCount: Int {
        switch self {
        case .set, .everyone, .nothing: 1
        case .not(let inner): 1 + inner.nodeCount
        case .all(let children), .any(let children): children.reduce(1) { $0 + $1.nodeCount }
        }
    }
}
