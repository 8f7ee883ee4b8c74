extension SetExpression {
    /// Visits each child of an `all` or `any`, at any depth, in preorder: its number among the nodes in preorder, and
    /// the whole expression without it.
    ///
    /// Without its last child an `all` is everyone and an `any` is nothing. So a child stands aside as the universe or
    /// as the empty set.
    public func forEachMarginal(_ body: (_ node: Int, _ rest: SetExpression) throws -> Void) rethrows {
        try visit(node: 0, within: { $0 }, body)
    }

    private func visit(
        node: Int, within whole: (SetExpression) -> SetExpression, _ body: (Int, SetExpression) throws -> Void
    ) rethrows {
        switch self {
        case .set, .everyone, .nothing: break
        case .not(let inner): try inner.visit(node: node + 1, within: { whole(.not($0)) }, body)
        case .all(let children):
            try Self.visit(children, without: .everyone, node: node, within: { whole(.all($0)) }, body)
        case .any(let children):
            try Self.visit(children, without: .nothing, node: node, within: { whole(.any($0)) }, body)
        }
    }

    private static func visit(
        _ children: [SetExpression], without neutral: SetExpression, node: Int,
        within whole: ([SetExpression]) -> SetExpression, _ body: (Int, SetExpression) throws -> Void
    ) rethrows {
        func replacing(_ index: Int, by child: SetExpression) -> SetExpression {
            var children = children
            children[index] = child
            return whole(children)
        }
        var next = node + 1
        for (index, child) in children.enumerated() {
            try body(next, replacing(index, by: neutral))
            try child.visit(node: next, within: { replacing(index, by: $0) }, body)
            next += child.nodeCount
        }
    }
}
