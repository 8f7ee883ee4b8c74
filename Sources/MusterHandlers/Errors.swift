import MusterProtocol
import MusterStore
import Postgres

extension RPCError {
    /// Maps an error in decoding a request: names the place and what to change there.
    init(reading error: any Error) {
        switch error {
        case let error as RPCError: self = error
        case let error as JSONError: self.init(error)
        default: self.init(.internal, "something went wrong in the server", cause: error)
        }
    }

    /// Maps an error in handling a request. This is the only table from errors to wire codes. An internal cause stays
    /// hidden from callers.
    ///
    /// - Parameter lockWait: the longest wait of the request for each lock.
    init(handling error: any Error, lockWait: Limit = Limits.lockWait) {
        switch error {
        case let error as RPCError: self = error
        case let error as JSONError: self.init(error)
        case is CancellationError: self.init(.cancelled, "the call was cancelled")
        case let error as PostgresError: self.init(error, lockWait)
        case let fault as FilterFault: self.init(fault)
        case let error as VersionNotKept: self.init(error)
        case is ListingExpired:
            let limit = Limits.listingSeconds
            self.init(
                .outOfRange, .notKept, field: "page_token", limit: limit,
                "page_token is of a listing older than \(limit.described), which is gone; begin again without it"
            )
        case is JournalUnavailable:
            self.init(
                .unavailable,
                "the journal of erasures can't be written, so nothing was erased; an operator can look at erasure_journal"
            )
        case is NotJournalled:
            self.init(
                .unknown,
                "the journal of erasures couldn't be written in time; send it again, with the same request_id where there is one",
                details: ["outcome": "unknown"], cause: error)
        case is RequestIDReused: self = .requestIDReused
        case let error as DamagedSet:
            self.init(.dataLoss, "stored data is damaged; an operator can look with muster-server verify", cause: error)
        default: self.init(.internal, "something went wrong in the server", cause: error)
        }
    }

    /// Whether an operator should investigate, since the caller can't fix it.
    var isOurFault: Bool { [.internal, .dataLoss, .unknown].contains(code) }

    private init(_ error: VersionNotKept) {
        let field = error.field ?? "the request"
        self.init(
            .outOfRange, .notKept, field: error.field,
            "\(field) names a version that is not kept; begin again without it, or with another one")
    }

    private init(_ error: PostgresError, _ lockWait: Limit) {
        switch error.kind {
        case .deadlineExceeded: self.init(.deadlineExceeded, "the deadline passed", cause: error)
        case .cancelled: self.init(.cancelled, "the call was cancelled", cause: error)
        case .overloaded:
            self = .overloaded("too much work waits for the database", retryAfter: error.retryAfterMilliseconds)
        case .commitOutcomeUnknown:
            self.init(
                .unknown, "it is not known whether this was applied; send it again with the same request_id",
                details: ["outcome": "unknown"], cause: error)
        case .server: self.init(state: error, lockWait)
        case .connectionLost, .unavailable, .closed, .notCommitted:
            self.init(.unavailable, "the database can't be reached; try again", cause: error)
        default: self.init(.internal, "something went wrong in the server", cause: error)
        }
    }

    private init(state error: PostgresError, _ lockWait: Limit) {
        guard let state = error.sqlState else {
            self.init(.unavailable, "the database can't be reached; try again", cause: error)
            return
        }
        switch (state, state.conditionClass) {
        case (.lockNotAvailable, _):
            self.init(
                .aborted,
                "another request holds what this one needs, for more than \(lockWait.described); try again, with the same request_id where there is one",
                details: RPCError.Details(of: lockWait), cause: error)
            details.set("retry_after_ms", .integer(100))
        case (.serializationFailure, _), (.deadlockDetected, _):
            self.init(
                .aborted,
                "another request holds what this one needs; try again, with the same request_id where there is one",
                details: ["retry_after_ms": 100], cause: error)
        case (.queryCanceled, _): self.init(.deadlineExceeded, "the deadline passed", cause: error)
        case (.readOnlyTransaction, _), (.tooManyConnections, _), (_, "08"), (_, "57"):
            self.init(.unavailable, "the database can't be reached; try again", cause: error)
        case (_, "53"):
            self.init(.resourceExhausted, .noRoom, "the database is out of room; try again later", cause: error)
        case (.dataCorrupted, _), (.indexCorrupted, _): self.init(.dataLoss, "stored data is damaged", cause: error)
        default: self.init(.internal, "something went wrong in the server", cause: error)
        }
    }

    static let requestIDReused = RPCError(
        .failedPrecondition, .requestIDReused, field: "request_id",
        "this request_id was used with other content; nothing was changed. Use a new one")

    /// - Parameter retryAfter: the time in milliseconds.
    static func overloaded(_ message: String, retryAfter: Int? = nil) -> RPCError {
        RPCError(
            .resourceExhausted, .tooBusy, message, details: ["retry_after_ms": .integer(Int64(retryAfter ?? 200))])
    }
}
