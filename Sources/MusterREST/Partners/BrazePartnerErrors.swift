import HTTPTypes
import MusterHTTP
import MusterProtocol

/// The contract's words, letter by letter: callers look for them in its tables.
enum BrazePartnerErrors {
    static let clientSecret = HTTPProblem(.unauthorized, "Invalid client secret")
    static let partnerAPIKey = HTTPProblem(.unauthorized, "Invalid Partner API key")
    /// The contract appends the secret to these words; Muster does not.
    static let notEnabled = HTTPProblem(.unauthorized, "Partner not enabled for client with client secret")
    static let unauthorized = HTTPProblem(.unauthorized, "Unauthorized access")
    static let locked = "Resource locked"
    static let tooMany = "Only 1,000 `user_ids`, `device_ids`, and `aliases` are allowed per request"

    private static let fields = [
        "cohort_id": "`cohort_id` must be a valid string",
        "cohort_changes":
            "`cohort_changes` must be an array of objects each with key `user_ids` and/or `device_ids` mapping to an array of strings, or an `aliases` object",
        "name": "`name` must be a non-empty string",
        "created_at": "`created_at` must be a valid time as an ISO-8601 string",
    ]

    /// The contract's words for a problem with one of its fields, with the exact problem in `errors`.
    static func content(_ error: RPCError) -> HTTPProblem {
        let field = error.details.string("field")?.prefix { $0.isLetter || $0 == "_" }
        var refusal = HTTPProblem(error)
        guard let words = field.flatMap({ fields[String($0)] }) else { return refusal }
        refusal = HTTPProblem(.badRequest, words, errors: [error.message])
        refusal.details = error.details
        return refusal
    }

    /// The response to a call's error on the routes of partners.
    static func problem(for error: RPCError) -> HTTPProblem {
        switch error.code {
        case .unauthenticated, .permissionDenied: return clientSecret
        case .invalidArgument: return content(error)
        case .aborted:
            var locked = HTTPProblem(.init(code: 423, reasonPhrase: "Locked"), locked, errors: [error.message])
            locked.details = error.details
            return locked
        default: return HTTPProblem(error)
        }
    }
}
