/// One call of the RPC. The request type is its definition: client, router and `proto-docs` derive from it.
///
/// `method` is a plural noun, a dot and a verb; it is also the scope that a key needs for the call.
/// `summary` opens the call's page in `proto-docs`; `notes` explains fields, limits and errors there, in Markdown.
/// `example` is a complete request with its reply; it must survive a round trip through the wire format.
public protocol Call: Codable, Sendable, Equatable {
    associatedtype Reply: Codable, Sendable, Equatable

    static var method: String { get }
    static var summary: String { get }
    static var notes: String { get }
    static var example: (call: Self, reply: Reply) { get }

    /// True when sending the call twice has the same effect as sending it once, so a client may repeat it after a lost
    /// reply.
    var isSafeToRepeat: Bool { get }

    /// An upper estimate of the reply's bytes when it depends on the request; 0 when the reply is always short.
    var maxReplyBytes: Int { get }

    /// The call of a body in its plain form, read without `Codable`; nil if `JSONDecoding` must read the body or refuse
    /// it. For calls that arrive often: what it accepts, `JSONDecoding` accepts as the same call.
    static func plain(_ body: JSONValue) -> Self?

    /// Appends the JSON of a reply; on an error `bytes` may have a part of it. A call that arrives often writes the
    /// same bytes as `JSONEncoding` without `Codable`.
    static func append(_ reply: Reply, to bytes: inout [UInt8]) throws

    /// Appends the JSON of the request, byte for byte as `JSONEncoding` does. After an error, some of it may be there.
    /// Calls that clients make often have their own coding, which takes a tenth of the time.
    func append(to bytes: inout [UInt8]) throws
    /// Reads a reply where it has the form in which our server writes it; nil where `JSONDecoding` has to read it.
    static func reply(from text: inout PlainJSON) -> Reply?
}

extension Call {
    public static func plain(_ body: JSONValue) -> Self? { nil }
    public static func append(_ reply: Reply, to bytes: inout [UInt8]) throws {
        try JSONEncoding.append(reply, to: &bytes)
    }
    public func append(to bytes: inout [UInt8]) throws { try JSONEncoding.append(self, to: &bytes) }
    public static func reply(from text: inout PlainJSON) -> Reply? { nil }
}

/// A call that changes nothing.
public protocol ReadingCall: Call {}

extension ReadingCall {
    public var isSafeToRepeat: Bool { true }
}

/// A call whose reply is recorded under the caller's request id. A repeat returns the recorded reply and has no second
/// effect. Ids are kept for at least seven days; the same id with another payload is refused.
public protocol RecordedCall: Call {
    /// Chosen by the caller, up to 255 bytes.
    var requestID: Identifier? { get set }
}

extension RecordedCall {
    public var isSafeToRepeat: Bool { requestID != nil }
}

/// The empty reply.
public struct Done: Codable, Sendable, Equatable {
    public init() {}
}
