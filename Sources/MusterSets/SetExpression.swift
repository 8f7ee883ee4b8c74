/// Boolean algebra over sets, as a value: the compiled form of a segment's filter.
///
/// `not` is relative to the universe of the evaluation. Code that builds one from untrusted input bounds its depth and
/// size first (the filter limits: depth 32, 256 nodes), because Swift frees it recursively.
public indirect enum SetExpression: Sendable, Equatable {
    /// The operand with this index.
    case set(Int)
    /// The intersection; without operands, everyone.
    case all([SetExpression])
    /// The union; without operands, nothing.
    case any([SetExpression])
    /// The complement within the universe.
    case not(SetExpression)
    /// The universe.
    case everyone
    /// The empty set.
    case nothing

    /// Nodes of the tree, including itself: the length of `Evaluation.counts()`.
    public var nodeCount: Int {
        switch self {
        case .set, .everyone, .nothing: 1
        case .not(let inner): 1 + inner.nodeCount
        case .all(let children), .any(let children): children.reduce(1) { $0 + $1.nodeCount }
        }
    }
}
