/// Why JSON was refused, in words for its sender: kinds and paths, never a value.
public struct JSONError: Error, Equatable, CustomStringConvertible {
    /// The reason; nil when the sender is not at fault: out of memory, or a reader used recursively.
    public var reason: RefusalReason?
    /// The path, such as `cohort_changes[0].user_ids[3]`; empty for the whole message.
    public var path: String
    /// The byte offset of a syntax error, from 0; nil when the message is well-formed.
    public var offset: Int?
    /// The `id` of a message that can't be read, when it is certain nevertheless.
    public var requestID: Int64?
    /// One sentence, with path and offset.
    public var description: String
    /// The limit that is exceeded.
    public var limit: Limit?

    init(_ reason: RefusalReason?, path: String = "", _ description: String) {
        self.reason = reason
        self.path = path
        self.description = description
    }

    /// Refuses the value at `path`; `problem` continues the path: "must be a string, and is a number".
    public init(at path: String, _ problem: String, _ reason: RefusalReason = .wrongType) {
        self.init(reason, path: path, "\(path.isEmpty ? "the message" : path) \(problem)")
    }

    /// Refuses a message that exceeds a limit; the sentence gets the limit's value and name.
    init(over limit: Limit, _ reason: RefusalReason, _ problem: String) {
        self.init(reason, "the message \(problem) \(limit.described)")
        self.limit = limit
    }
}

extension JSONError {
    /// Refuses the value at `decoder`, for an `init(from:)` that checks more than kinds.
    public init(at decoder: any Decoder, _ problem: String, _ reason: RefusalReason) {
        self.init(at: JSONPath.text(decoder.codingPath), problem, reason)
    }

    /// Refuses the value at `decoder`, when it is not a valid value of its type.
    public init(_ problem: FieldProblem, at decoder: any Decoder) {
        let problem = problem.inside(JSONPath.text(decoder.codingPath))
        self.init(problem.reason, path: problem.field, problem.sentence)
        limit = problem.limit
    }

    init(missing name: String, at path: String) {
        let fieldPath = path.isEmpty ? name : "\(path).\(name)"
        self.init(.missing, path: fieldPath, "\(fieldPath) is missing")
    }

    /// The standard library's errors quote the refused value; ours must not.
    init(_ error: DecodingError) {
        switch error {
        case .keyNotFound(let key, let context):
            self.init(missing: key.stringValue, at: JSONPath.text(context.codingPath))
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            self.init(at: JSONPath.text(context.codingPath), "is of another kind than it must be")
        case .dataCorrupted(let context):
            self.init(at: JSONPath.text(context.codingPath), "is not one of the values that it may have", .unknownValue)
        @unknown default:
            self.init(at: "", "can't be read")
        }
    }
}

extension CaseIterable where Self: RawRepresentable, RawValue == String {
    /// Reads one of these names, byte for byte; the error for any other lists all of them.
    static func oneOf(_ decoder: any Decoder) throws -> Self {
        let name = try decoder.singleValueContainer().decode(String.self)
        guard let found = allCases.first(where: { $0.rawValue.utf8.elementsEqual(name.utf8) }) else {
            throw JSONError(
                at: decoder, "must be one of \(allCases.map(\.rawValue).joined(separator: ", "))", .unknownValue)
        }
        return found
    }
}
