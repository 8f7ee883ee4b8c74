public import MusterProtocol

/// Under what the answer to a write is recorded. A write without the caller's request id gets one of the server's,
/// which needs one to find out what became of a COMMIT whose answer was lost.
public struct IdempotencyKey: Sendable {
    let method: String
    let id: Identifier
    /// SHA-256 of the call without key and request id.
    let digest: [UInt8]
    let isFromCaller: Bool

    /// A request that the caller named.
    public init(method: String, requestID: Identifier, digest: [UInt8]) {
        (self.method, id, self.digest, isFromCaller) = (method, requestID, digest, true)
    }

    /// A request without a name. Its id begins with U+0001, which no caller's id may have.
    public init(method: String) {
        let random = (0..<2).map { _ in String(UInt64.random(in: .min ... .max), radix: 36) }.joined(separator: ".")
        (self.method, id, isFromCaller) = (method, Identifier("\u{1}\(random)"), false)
        digest = [UInt8](repeating: 0, count: 32)
    }
}

/// The request id was used before, with another payload.
public struct RequestIDReused: Error, Sendable {}

/// What a write came to: its reply, and the sets as it left them, which go into the cache once it is committed.
struct WriteResult<Reply: Codable & Sendable>: Sendable {
    var reply: Reply
    var sets: [SetKey: SetState] = [:]
}
