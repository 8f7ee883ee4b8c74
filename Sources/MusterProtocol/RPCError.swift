/// The outcome of a call that has no reply: gRPC's names, with gRPC's meanings.
public enum RPCCode: String, Sendable, CaseIterable, Codable {
    /// The caller cancelled the call.
    case cancelled = "CANCELLED"
    /// The outcome is unknown: repeat the call with the same request id.
    case unknown = "UNKNOWN"
    /// The call is invalid, regardless of the state of the system.
    case invalidArgument = "INVALID_ARGUMENT"
    /// The call's deadline has passed.
    case deadlineExceeded = "DEADLINE_EXCEEDED"
    /// The requested object does not exist.
    case notFound = "NOT_FOUND"
    /// The object exists already.
    case alreadyExists = "ALREADY_EXISTS"
    /// The key does not permit the call.
    case permissionDenied = "PERMISSION_DENIED"
    /// A limit is reached, or the message is too large.
    case resourceExhausted = "RESOURCE_EXHAUSTED"
    /// The state of the system does not permit the call.
    case failedPrecondition = "FAILED_PRECONDITION"
    /// A concurrent call interfered: try again.
    case aborted = "ABORTED"
    /// Past the end of the available range.
    case outOfRange = "OUT_OF_RANGE"
    /// The method does not exist.
    case unimplemented = "UNIMPLEMENTED"
    /// An internal error; the log has its cause.
    case `internal` = "INTERNAL"
    /// Unavailable at the moment: try again later.
    case unavailable = "UNAVAILABLE"
    /// Stored data is damaged.
    case dataLoss = "DATA_LOSS"
    /// There is no valid key.
    case unauthenticated = "UNAUTHENTICATED"
}

/// Why a call failed, in words for its caller: what to change, and no SQL, secret or identifier.
public struct RPCError: Error, Sendable {
    /// The kind of failure.
    public var code: RPCCode
    /// One sentence.
    public var message: String
    /// Details for programs, such as `retry_after_ms`.
    public var details: Details
    /// The cause, for the log of this process; never sent.
    public var cause: (any Error)?

    /// Makes a failure of this kind.
    public init(_ code: RPCCode, _ message: String, details: Details = [:], cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.details = details
        self.cause = cause
    }

    /// The error for a JSON error: the sender's fault, unless memory ran out.
    public init(_ error: JSONError) {
        guard let reason = error.reason else {
            self.init(.unavailable, error.description)
            return
        }
        self.init(.invalidArgument, reason, field: error.path, limit: error.limit, error.description)
    }

    /// The error for a frame that is over the limit or not of this protocol.
    public init(_ error: FrameError) {
        switch error {
        case .tooLong(_, let limit): self.init(.resourceExhausted, .tooLong, limit: limit, error.description)
        case .unknownFlags: self.init(.invalidArgument, .malformed, error.description)
        }
    }
}

extension RPCError {
    /// The details of an error, as an object: `["retry_after_ms": 100]`.
    public struct Details: Hashable, Sendable, Codable, ExpressibleByDictionaryLiteral {
        /// The details, in the order in which they are sent.
        public var fields: Attributes

        /// Makes details of these entries.
        public init(dictionaryLiteral fields: (String, AttributeValue)...) {
            self.fields = Attributes(fields.map { .init(name: Array($0.utf8), value: $1) })
        }

        /// Decodes details.
        public init(from decoder: any Decoder) throws {
            fields = try decoder.singleValueContainer().decode(Attributes.self)
        }

        /// Encodes details.
        public func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(fields)
        }

        /// A detail that is a whole number.
        public func integer(_ name: String) -> Int64? {
            guard case .integer(let value)? = fields[name] else { return nil }
            return value
        }

        /// A detail that is a string.
        public func string(_ name: String) -> String? {
            guard case .string(let text)? = fields[name] else { return nil }
            return String(decoding: text, as: UTF8.self)
        }

        /// Details that name the limit that is exceeded.
        public init(of limit: Limit) {
            self = [:]
            set(limit)
        }

        /// Names the limit that is exceeded.
        public mutating func set(_ limit: Limit) {
            set("limit", .string(Array(limit.name.utf8)))
            set("limit_value", .integer(Int64(limit.value)))
        }

        /// Sets a detail, replacing one of the same name.
        public mutating func set(_ name: String, _ value: AttributeValue) {
            fields.entries.removeAll { $0.name.elementsEqual(name.utf8) }
            fields.entries.append(.init(name: Array(name.utf8), value: value))
        }
    }
}

extension RPCError: Equatable {
    /// Whether two errors look the same to a caller; ignores their causes.
    public static func == (a: Self, b: Self) -> Bool {
        a.code == b.code && a.message == b.message && a.details == b.details
    }
}

extension RPCError: CustomStringConvertible {
    /// Code and message, without the cause.
    public var description: String { "\(code.rawValue): \(message)" }
}

extension RPCError: Codable {
    enum CodingKeys: String, CodingKey {
        case code, message, details
    }

    /// Decodes an error. An unknown code becomes `unknown`, so that a newer server can add codes.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            RPCCode(rawValue: try container.decode(String.self, forKey: .code)) ?? .unknown,
            try container.decode(String.self, forKey: .message),
            details: try container.decodeIfPresent(Details.self, forKey: .details) ?? [:])
    }

    /// Encodes an error, without its cause.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(code.rawValue, forKey: .code)
        try container.encode(message, forKey: .message)
        try container.encode(details, forKey: .details)
    }
}
