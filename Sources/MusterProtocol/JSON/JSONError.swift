/// Why JSON was refused, in words that its sender may read: they name kinds and places, never a value.
public struct JSONError: Error, Equatable, CustomStringConvertible {
    /// Why; nil where it is not the sender's fault: no memory, or a reader used while it reads.
    public var reason: RefusalReason?
    /// Where, such as `cohort_changes[0].user_ids[3]`; empty for the whole.
    public var path: String
    /// The byte of the message where it can't be read, from 0; nil where all of it could.
    public var offset: Int?
    /// The `id` of a message that can't be read, where it could be told for certain all the same.
    public var requestID: Int64?
    /// One sentence, path and offset included.
    public var description: String
    /// What was exceeded.
    public var limit: Limit?

    init(_ reason: RefusalReason?, path: String = "", _ description: String) {
        self.reason = reason
        self.path = path
        self.description = description
    }

    /// A refusal of the value at `path`; `problem` goes on from the path: "must be a string, and is a number".
    public init(at path: String, _ problem: String, _ reason: RefusalReason = .wrongType) {
        self.init(reason, path: path, "\(path.isEmpty ? "the message" : path) \(problem)")
    }

    /// A message beyond a limit; the sentence gets its value and name.
    init(over limit: Limit, _ reason: RefusalReason, _ problem: String) {
        self.init(reason, "the message \(problem) \(limit.described)")
        self.limit = limit
    }
}

extension JSONError {
    /// A refusal of what `decoder` stands at, for an `init(from:)` that checks more than kinds.
    public init(at decoder: any Decoder, _ problem: String, _ reason: RefusalReason) {
        self.init(at: JSONPath.text(decoder.codingPath), problem, reason)
    }

    /// A refusal of what `decoder` stands at, for a value that can't be what it is to be.
    public init(_ problem: FieldProblem, at decoder: any Decoder) {
        let problem = problem.inside(JSONPath.text(decoder.codingPath))
        self.init(problem.reason, path: problem.field, problem.sentence)
        limit = problem.limit
    }

    init(missing name: String, at path: String) {
        let place = path.isEmpty ? name : "\(path).\(name)"
        self.init(.missing, path: place, "\(place) is missing")
    }

    /// The standard library's errors quote the value that they refuse; ours must not.
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
    /// Reads one of some names, byte for byte, and answers any other with all that there are.
    static func oneOf(_ decoder: any Decoder) throws -> Self {
        let name = try decoder.singleValueContainer().decode(String.self)
        guard let found = allCases.first(where: { $0.rawValue.utf8.elementsEqual(name.utf8) }) else {
            throw JSONError(
                at: decoder, "must be one of \(allCases.map(\.rawValue).joined(separator: ", "))", .unknownValue)
        }
        return found
    }
}
