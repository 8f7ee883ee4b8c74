extension Identifier {
    /// Why it is not a valid identifier; nil where it is one.
    ///
    /// - Parameter limit: the longest that is valid, where that is less than `Identifier.longest`.
    public func problem(atMost limit: Limit = Limits.identifierBytes) -> FieldProblem? {
        if bytes.count > limit.value { return FieldProblem(over: limit) }
        return switch validity {
        case .valid: nil
        case .empty: FieldProblem(.empty, "is empty")
        case .tooLong: FieldProblem(over: Limits.identifierBytes)
        case .controlCharacter: FieldProblem(.invalidCharacters, "has a control character")
        }
    }
}

extension Alias {
    /// Why it is not a valid alias, and which of its fields is wrong; nil where it is one.
    public var problem: FieldProblem? {
        label.problem(atMost: Limits.labelBytes)?.inside("alias_label") ?? name.problem()?.inside("alias_name")
    }
}
