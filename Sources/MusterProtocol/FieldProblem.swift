/// What is wrong with a value that a field has: the end of a sentence about the field, and what programs are told.
public struct FieldProblem: Sendable, Equatable {
    /// Where it is inside of the value, such as `alias_label`; empty for the value itself.
    public var field: String
    /// Such as `is empty`. Where a limit was exceeded, with its value and its name.
    public var text: String
    /// Why, for a program.
    public var reason: RefusalReason
    /// What was exceeded.
    public var limit: Limit?

    /// A problem of the value itself.
    public init(_ reason: RefusalReason, _ text: String) {
        (field, self.text, self.reason, limit) = ("", text, reason, nil)
    }

    /// A value that is longer than it may be.
    public init(over limit: Limit) {
        (field, text, reason) = ("", "is over \(limit.described)", .tooLong)
        self.limit = limit
    }

    /// The same, of a value inside of another one.
    public func inside(_ field: String) -> FieldProblem {
        var problem = self
        problem.field = self.field.isEmpty ? field : "\(field).\(self.field)"
        return problem
    }

    /// Field and text.
    public var sentence: String { field.isEmpty ? text : "\(field) \(text)" }
}

extension RPCError {
    /// A call that is wrong in the field at `path`, or inside of it.
    public init(_ problem: FieldProblem, at path: String) {
        let problem = problem.inside(path)
        self.init(.invalidArgument, problem.reason, field: problem.field, limit: problem.limit, problem.sentence)
    }
}
