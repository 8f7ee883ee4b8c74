public import HTTPTypes
public import MusterProtocol

/// A request that is refused: its status, a sentence for people, and details for programs.
///
/// Named after RFC 9457; Hummingbird has an `HTTPError` already.
public struct HTTPProblem: Error {
    /// The HTTP status.
    public let status: HTTPResponse.Status
    /// Says what is wrong and what to do next.
    public private(set) var message: String
    /// The exact problems if a fixed `message` does not say them; never input of the caller.
    public var errors: [String] = []
    /// The `details` of the RPC error.
    public var details: RPCError.Details = [:]

    /// A problem with a message alone.
    public init(_ status: HTTPResponse.Status, _ message: String, errors: [String] = []) {
        (self.status, self.message, self.errors) = (status, message, errors)
    }

    /// A problem with details. `message` or `errors` name the limit.
    public init(
        _ status: HTTPResponse.Status, _ reason: RefusalReason, field: String? = nil, limit: Limit? = nil,
        _ message: String, errors: [String] = []
    ) {
        self.init(status, message, errors: errors)
        details = RPCError.Details(reason, field: field, limit: limit)
    }

    /// A problem whose fixed words do not mention the limit; its name is appended.
    ///
    /// - Parameters:
    ///   - limit: the limit that was exceeded.
    ///   - words: the fixed words.
    public init(
        _ status: HTTPResponse.Status, _ reason: RefusalReason, field: String? = nil, over limit: Limit, words: String
    ) {
        self.init(
            status, reason, field: field, limit: limit,
            "\(words): \(field ?? "the request") is over the limit of \(limit.described)")
    }

    /// The HTTP form of a call's error. Transient errors are 5xx, which every client repeats.
    public init(_ error: RPCError) {
        (status, message, details) = (Self.status(of: error), error.message, error.details)
        if error.code == .deadlineExceeded {
            let limit = Limits.restTime
            message += "; a request has \(limit.described)"
            details.set(limit)
        }
        if details.string("field") == "request_id" { details.fields["field"] = "Idempotency-Key" }
    }

    /// The HTTP form of a call's error with another sentence.
    public init(_ error: RPCError, words: String) {
        self.init(error)
        message = words
    }

    private static func status(of error: RPCError) -> HTTPResponse.Status {
        // A limit or a write of the caller's own is not a shortage of the server.
        let isCallersOwn = error.details.string("limit") != nil || error.details.reason == .inProgress
        if error.code == .resourceExhausted, isCallersOwn { return .tooManyRequests }
        return status(of: error.code)
    }

    /// The status of each error code.
    public static func status(of code: RPCCode) -> HTTPResponse.Status {
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

    /// Whether the same request may succeed later.
    private var isTransient: Bool { [423, 429, 503, 504].contains(status.code) }

    /// The problem as a response, with `Retry-After` if a repeat may succeed.
    public var answer: JSONResponse {
        let body = ProblemBody(
            message: message, errors: errors.isEmpty ? nil : errors, outcome: details.string("outcome"),
            details: details.reason == nil && details.string("limit") == nil ? nil : details)
        var answer = JSONResponse(status, body)
        if isTransient {
            let milliseconds = details.integer("retry_after_ms") ?? 1_000
            answer.headers[.retryAfter] = String(max(1, (milliseconds + 999) / 1_000))
        }
        return answer
    }
}

private struct ProblemBody: Encodable {
    let message: String
    let errors: [String]?
    /// `unknown`: whether the request was applied is not known.
    let outcome: String?
    let details: RPCError.Details?
}
