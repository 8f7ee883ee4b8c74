/// One call of the RPC. The request type is its definition: client, router and `proto-docs` come from it.
///
/// `method` is a plural noun, a dot and a verb, and is also the scope that a key needs for it.
/// `summary` opens the call's page; `notes` explains fields, limits and errors there, in Markdown.
/// `example` is a filled-in request with its reply; it must survive a round trip through the wire.
public protocol Call: Codable, Sendable, Equatable {
    associatedtype Reply: Codable, Sendable, Equatable

    static var method: String { get }
    static var summary: String { get }
    static var notes: String { get }
    static var example: (call: Self, reply: Reply) { get }

    /// True where sending the call twice has the effect of sending it once, so that a client may repeat it after a lost answer.
    var isSafeToRepeat: Bool { get }

    /// About as many bytes as its reply may have, where that depends on what the call asks for; 0 where it is always
    /// short.
    var mostReplyBytes: Int { get }
}

/// A call that changes nothing.
public protocol ReadingCall: Call {}

extension ReadingCall {
    public var isSafeToRepeat: Bool { true }
}

/// A call whose answer is recorded under the caller's request id: a repeat gets the recorded answer and has no second effect.
/// Ids are kept for at least seven days; the same id with another payload is refused.
public protocol RecordedCall: Call {
    /// Up to 255 bytes, chosen by the caller.
    var requestID: Identifier? { get set }
}

extension RecordedCall {
    public var isSafeToRepeat: Bool { requestID != nil }
}

/// The reply of a call that has nothing to say but that it was done.
public struct Done: Codable, Sendable, Equatable {
    public init() {}
}
