/// What became of a call that has no reply: gRPC's names, with gRPC's meaning.
public enum RPCCode: String, Sendable, CaseIterable, Codable {
    /// The caller gave up.
    case cancelled = "CANCELLED"
    /// The outcome is not known: ask again, with the same request id.
    case unknown = "UNKNOWN"
    /// The call is wrong, whatever the state of the system.
    case invalidArgument = "INVALID_ARGUMENT"
    /// The call's deadline is over.
    case deadlineExceeded = "DEADLINE_EXCEEDED"
    /// There is no such thing.
    case notFound = "NOT_FOUND"
    /// There is such a thing already.
    case alreadyExists = "ALREADY_EXISTS"
    /// The key doesn't allow the call.
    case permissionDenied = "PERMISSION_DENIED"
    /// A limit is reached, or the message is too large.
    case resourceExhausted = "RESOURCE_EXHAUSTED"
    /// The system is not in a state for the call.
    case failedPrecondition = "FAILED_PRECONDITION"
    /// Another call was in the way: try again.
    case aborted = "ABORTED"
    /// Past the end of what there is.
    case outOfRange = "OUT_OF_RANGE"
    /// There is no such method.
    case unimplemented = "UNIMPLEMENTED"
    /// A fault of Muster's own; the log has its cause.
    case `internal` = "INTERNAL"
    /// Not at the moment: try again later.
    case unavailable = "UNAVAILABLE"
    /// What is stored is damaged.
    case dataLoss = "DATA_LOSS"
    /// There is no good key.
    case unauthenticated = "UNAUTHENTICATED"
}

/// How a call failed, in words that its caller may read: what it can change, nothing of SQL, no secret, no identifier.
public struct RPCError: Error, Sendable {
    /// What kind of failure it is.
    public var code: RPCCode
    /// One sentence.
    public var message: String
    /// Facts for a program, such as `retry_after_ms`.
    public var details: Details
    /// Why, for the log of this process; never sent.
    public var cause: (any Error)?

    /// A failure of this kind.
    public init(_ code: RPCCode, _ message: String, details: Details = [:], cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.details = details
        self.cause = cause
    }

    /// What is wrong with a message: the sender's fault, unless memory was short.
    public init(_ error: JSONError) {
        guard let reason = error.reason else {
            self.init(.unavailable, error.description)
            return
        }
        self.init(.invalidArgument, reason, field: error.path, limit: error.limit, error.description)
    }

    /// What is wrong with a frame: it is over the limit, or no frame of this protocol.
    public init(_ error: FrameError) {
        switch error {
        case .tooLong(_, let limit): self.init(.resourceExhausted, .tooLong, limit: limit, error.description)
        case .unknownFlags: self.init(.invalidArgument, .malformed, error.description)
        }
    }
}

extension RPCError {
    /// The facts of an error, as an object: `["retry_after_ms": 100]`.
    public struct Details: Hashable, Sendable, Codable, ExpressibleByDictionaryLiteral {
        /// The facts, in the order in which they are sent.
        public var fields: Attributes

        /// These facts.
        public init(dictionaryLiteral fields: (String, AttributeValue)...) {
            self.fields = Attributes(fields.map { .init(name: Array($0.utf8), value: $1) })
        }

        /// From the wire.
        public init(from decoder: any Decoder) throws {
            fields = try decoder.singleValueContainer().decode(Attributes.self)
        }

        /// For the wire.
        public func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(fields)
        }

        /// A fact that is a whole number.
        public func integer(_ name: String) -> Int64? {
            guard case .integer(let value)? = fields[name] else { return nil }
            return value
        }

        /// A fact that is a string.
        public func string(_ name: String) -> String? {
            guard case .string(let text)? = fields[name] else { return nil }
            return String(decoding: text, as: UTF8.self)
        }

        /// Details that name the limit which an error comes from.
        public init(of limit: Limit) {
            self = [:]
            set(limit)
        }

        /// Names the limit that an error comes from.
        public mutating func set(_ limit: Limit) {
            set("limit", .string(Array(limit.name.utf8)))
            set("limit_value", .integer(Int64(limit.value)))
        }

        /// Sets a fact, in the place of one with that name.
        public mutating func set(_ name: String, _ value: AttributeValue) {
            fields.entries.removeAll { $0.name.elementsEqual(name.utf8) }
            fields.entries.append(.init(name: Array(name.utf8), value: value))
        }
    }
}

extension RPCError: Equatable {
    /// Whether they look alike to a caller, whatever their causes.
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

    /// From the wire. A code that this version doesn't know is `unknown`, so that a newer server can add one.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            RPCCode(rawValue: try container.decode(String.self, forKey: .code)) ?? .unknown,
            try container.decode(String.self, forKey: .message),
            details: try container.decodeIfPresent(Details.self, forKey: .details) ?? [:])
    }

    /// For the wire; without the cause.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(code.rawValue, forKey: .code)
        try container.encode(message, forKey: .message)
        try container.encode(details, forKey: .details)
    }
}
