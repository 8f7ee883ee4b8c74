/// Why a request is refused, for programs: `reason` in the details of an error. `proto-docs/errors.md` explains each.
///
/// Every error with a code that `needsReason` has one. A client treats a reason that it doesn't know as none.
public enum RefusalReason: String, Sendable, CaseIterable {
    // What was sent can't be read.
    case malformed
    case duplicateKey = "duplicate_key"
    case invalidCharacters = "invalid_characters"

    // A field, by itself.
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

    // Fields, beside one another.
    case conflict
    case otherCallsToken = "other_calls_token"

    // What a field names is not there, or is there already.
    case unknownMethod = "unknown_method"
    case unknownPartner = "unknown_partner"
    case unknownCohort = "unknown_cohort"
    case unknownSegment = "unknown_segment"
    case unknownUser = "unknown_user"
    case unknownKey = "unknown_key"
    case unknownImport = "unknown_import"
    case unknownExport = "unknown_export"
    case alreadyExists = "already_exists"

    // The state, or the key, forbids it.
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

    // There is no room at the moment.
    case tooBusy = "too_busy"
    case tooSlow = "too_slow"
    case inProgress = "in_progress"
    case noRoom = "no_room"
}

extension RPCCode {
    /// Whether errors with this code say why in `reason`; the others say it all by themselves.
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
    /// A refusal with what programs may want to know of it.
    ///
    /// - Parameters:
    ///   - field: the path of the field that is to change, from the body on: `users[3].external_id`.
    ///   - limit: what was exceeded. Its name and value are in the details; the sentence names them too, which `over`
    ///   does by itself.
    public init(
        _ code: RPCCode, _ reason: RefusalReason, field: String? = nil, limit: Limit? = nil, _ message: String,
        details more: Details = [:], cause: (any Error)? = nil
    ) {
        self.init(code, message, details: Details(reason, field: field, limit: limit), cause: cause)
        details.fields.entries += more.fields.entries
    }

    /// A call that is wrong in one field; `problem` goes on from the field's path: "is empty".
    public static func invalid(_ field: String, _ reason: RefusalReason, _ problem: String) -> RPCError {
        RPCError(.invalidArgument, reason, field: field, "\(field) \(problem)")
    }

    /// A field beyond a limit; `problem` goes on from its path and says the value, the name follows it: "has more than
    /// 256 bytes".
    public static func over(
        _ limit: Limit, _ field: String, _ reason: RefusalReason, _ problem: String
    ) -> RPCError {
        RPCError(.invalidArgument, reason, field: field, limit: limit, "\(field) \(problem) (\(limit.name))")
    }
}

extension RPCError.Details {
    /// Details of a refusal: what to change, why, and the limit that was exceeded.
    public init(_ reason: RefusalReason, field: String? = nil, limit: Limit? = nil) {
        self = [:]
        if let field, !field.isEmpty { set("field", .string(Array(field.utf8))) }
        set("reason", .string(Array(reason.rawValue.utf8)))
        if let limit { set(limit) }
    }

    /// Why, where this version knows the reason.
    public var reason: RefusalReason? { string("reason").flatMap(RefusalReason.init) }
}
