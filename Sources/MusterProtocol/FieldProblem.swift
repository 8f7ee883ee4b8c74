/// What is wrong with a field's value: the end of a sentence about the field, and the reason for programs.
public struct FieldProblem: Sendable, Equatable {
    /// The path inside of the value, such as `alias_label`; empty for the value itself.
    public var field: String
    /// Such as `is empty`. When a limit is exceeded, names it and gives its value.
    public var text: String
    /// The reason, for programs.
    public var reason: RefusalReason
    /// The limit that is exceeded.
    public var limit: Limit?

    /// A problem of the value itself.
    public init(_ reason: RefusalReason, _ text: String) {
        (field, self.text, self.reason, limit) = ("", text, reason, nil)
    }

    /// A value that exceeds its maximum length.
    public init(over limit: Limit) {
        (field, text, reason) = ("", "is over \(limit.described)", .tooLong)
        self.limit = limit
    }

    /// A nested value that exceeds its maximum length.
    public func inside(_ field: String) -> FieldProblem {
        var problem = self
        problem.field = self.field.isEmpty ? field : "\(field).\(self.field)"
        return problem
    }

    /// The path and the text, as one sentence.
    public var sentence: String { field.isEmpty ? text : "\(field) \(text)" }
}

extension RPCError {
    /// The error of a call that is invalid in the field at `path` or inside of it.
    public init(_ problem: FieldProblem, at path: String) {
        let problem = problem.inside(path)
        self.init(.invalidArgument, problem.reason, field: problem.field, limit: problem.limit, problem.sentence)
    }
}
