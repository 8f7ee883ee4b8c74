/// Why a request is refused, for programs: `reason` in an error's details. `proto-docs/errors.md` explains each one.
///
/// Every error whose code `needsReason` has one. A client treats an unknown reason like no reason.
public enum RefusalReason: String, Sendable, CaseIterable {
    // The message can't be read.
    case malformed
    case duplicateKey = "duplicate_key"
    case invalidCharacters = "invalid_characters"

    // One field is invalid.
    case missing
    case unknownField = "unknown_field"
    case wrongType = "wrong_type"
    case unknownValue = "unknown_value"
    case invalidFormat = "invalid_format"
    case outOfRange = "out_of_range"
    case empty
    case tooLong = "too_long"
    case tooMany = "too_many"
    case tooDeep = "too_deep"

    // Several fields contradict each other.
    case conflict
    case otherCallsToken = "other_calls_token"

    // An object that a field names does not exist, or exists already.
    case unknownMethod = "unknown_method"
    case unknownPartner = "unknown_partner"
    case unknownCohort = "unknown_cohort"
    case unknownSegment = "unknown_segment"
    case unknownUser = "unknown_user"
    case unknownKey = "unknown_key"
    case unknownImport = "unknown_import"
    case unknownExport = "unknown_export"
    case alreadyExists = "already_exists"

    // The state, or the key, does not permit the call.
    case inUse = "in_use"
    case lastKey = "last_key"
    case cycle
    case sameUser = "same_user"
    case hasExternalID = "has_external_id"
    case notEnabled = "not_enabled"
    case requestIDReused = "request_id_reused"
    case noHistory = "no_history"
    case notKept = "not_kept"
    case changed
    case sessionOpen = "session_open"
    case missingScope = "missing_scope"
    case otherPartner = "other_partner"

    // There is no capacity at the moment.
    case tooBusy = "too_busy"
    case tooSlow = "too_slow"
    case inProgress = "in_progress"
    case noRoom = "no_room"
}

extension RPCCode {
    /// Whether errors with this code have a `reason`; the other codes need none.
    public var needsReason: Bool {
        switch self {
        case .invalidArgument, .notFound, .alreadyExists, .permissionDenied, .failedPrecondition, .outOfRange,
            .resourceExhausted, .unimplemented:
            true
        case .cancelled, .unknown, .deadlineExceeded, .aborted, .internal, .unavailable, .dataLoss, .unauthenticated:
            false
        }
    }
}

extension RPCError {
    /// A refusal with details for programs.
    ///
    /// - Parameters:
    ///   - field: the path of the field to change, from the body: `users[3].external_id`.
    ///   - limit: the limit that is exceeded. Details and sentence name it with its value; `over` makes both.
    public init(
        _ code: RPCCode, _ reason: RefusalReason, field: String? = nil, limit: Limit? = nil, _ message: String,
        details more: Details = [:], cause: (any Error)? = nil
    ) {
        self.init(code, message, details: Details(reason, field: field, limit: limit), cause: cause)
        details.fields.entries += more.fields.entries
    }

    /// The error of a call that is invalid in one field; `problem` continues the field's path: "is empty".
    public static func invalid(_ field: String, _ reason: RefusalReason, _ problem: String) -> RPCError {
        RPCError(.invalidArgument, reason, field: field, "\(field) \(problem)")
    }

    /// The error of a field that exceeds a limit; `problem` continues the field's path and says the value: "has more
    /// than 256 bytes".
    public static func over(
        _ limit: Limit, _ field: String, _ reason: RefusalReason, _ problem: String
    ) -> RPCError {
        RPCError(.invalidArgument, reason, field: field, limit: limit, "\(field) \(problem) (\(limit.name))")
    }
}

extension RPCError.Details {
    /// The details of a refusal: the field to change, the reason, and the limit that is exceeded.
    public init(_ reason: RefusalReason, field: String? = nil, limit: Limit? = nil) {
        self = [:]
        if let field, !field.isEmpty { set("field", .string(Array(field.utf8))) }
        set("reason", .string(Array(reason.rawValue.utf8)))
        if let limit { set(limit) }
    }

    /// The reason, when this version knows it.
    public var reason: RefusalReason? { string("reason").flatMap(RefusalReason.init) }
}
