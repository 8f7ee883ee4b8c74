import HTTPTypes
import MusterProtocol

/// A request that is refused, with the status and the words of the contract.
struct Refusal: Error {
    let status: HTTPResponse.Status
    private(set) var message: String
    /// What exactly is wrong, where the contract's words don't say it; never what was sent.
    var errors: [String] = []
    var details: RPCError.Details = [:]
    /// Whether no call could be read out of the body.
    var isOfBody = false

    init(_ status: HTTPResponse.Status, _ message: String, errors: [String] = []) {
        (self.status, self.message, self.errors) = (status, message, errors)
    }

    /// A refusal with what programs may want to know of it. Its words, or `errors`, name the limit.
    init(
        _ status: HTTPResponse.Status, _ reason: RefusalReason, field: String? = nil, limit: Limit? = nil,
        _ message: String, errors: [String] = []
    ) {
        self.init(status, message, errors: errors)
        details = RPCError.Details(reason, field: field, limit: limit)
    }

    /// - Parameters:
    ///   - limit: what was exceeded; it is named behind the words, since `errors` of a service's request are objects at
    ///   Braze.
    ///   - words: the contract's, which say nothing of the limit.
    init(
        _ status: HTTPResponse.Status, _ reason: RefusalReason, field: String? = nil, over limit: Limit,
        words: String
    ) {
        self.init(
            status, reason, field: field, limit: limit,
            "\(words): \(field ?? "the request") is over the limit of \(limit.described)")
    }

    /// What a call's failure is called over HTTP. A passing fault is 5xx, which every client repeats. A lock that can't be had is
    /// 423 on the routes of partners alone: clients of the others take any 4xx but 429 for final.
    init(_ error: RPCError) {
        (status, message, details) = (Self.status(of: error), error.message, error.details)
        if error.code == .deadlineExceeded {
            let limit = Limits.restTime
            message += "; a request has \(limit.described)"
            details.set(limit)
        }
        if details.string("field") == "request_id" { details.fields["field"] = "Idempotency-Key" }
    }

    /// The same in the contract's words.
    init(_ error: RPCError, words: String) {
        self.init(error)
        message = words
    }

    private static func status(of error: RPCError) -> HTTPResponse.Status {
        // What the caller has reached or begun itself, and not a shortage of the server's.
        let isCallersOwn = error.details.string("limit") != nil || error.details.reason == .inProgress
        if error.code == .resourceExhausted, isCallersOwn { return .tooManyRequests }
        return status(of: error.code)
    }

    /// The table: a row for each code.
    static func status(of code: RPCCode) -> HTTPResponse.Status {
        switch code {
        case .invalidArgument, .outOfRange, .alreadyExists: .badRequest
        case .unauthenticated: .unauthorized
        case .permissionDenied: .forbidden
        case .notFound, .unimplemented: .notFound
        case .failedPrecondition: .unprocessableContent
        case .deadlineExceeded: .gatewayTimeout
        case .aborted, .resourceExhausted, .unavailable, .unknown, .cancelled: .serviceUnavailable
        case .internal, .dataLoss: .internalServerError
        }
    }

    /// Whether the same request may go through later.
    private var isPassing: Bool { [423, 429, 503, 504].contains(status.code) }

    var answer: RESTAnswer {
        let problem = Problem(
            message: message, errors: errors.isEmpty ? nil : errors, outcome: details.string("outcome"),
            details: details.reason == nil && details.string("limit") == nil ? nil : details)
        var answer = RESTAnswer(status, problem)
        if isPassing {
            let milliseconds = details.integer("retry_after_ms") ?? 1_000
            answer.headers[.retryAfter] = String(max(1, (milliseconds + 999) / 1_000))
        }
        return answer
    }
}

/// The body of a refusal.
private struct Problem: Encodable {
    let message: String
    let errors: [String]?
    /// `unknown`: nobody knows whether it was applied.
    let outcome: String?
    /// What the RPC says in `details`: Muster's own, beside what Braze has.
    let details: RPCError.Details?
}
