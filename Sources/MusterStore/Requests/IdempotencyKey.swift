public import MusterProtocol

/// The key under which a write's answer is recorded. Without the caller's request id, the server generates one, since
/// it needs an id to learn the outcome of a COMMIT whose answer was lost.
public struct IdempotencyKey: Sendable {
    let method: String
    let id: Identifier
    /// SHA-256 of the call without key and request id.
    let digest: [UInt8]
    let isFromCaller: Bool

    /// A request with the caller's id.
    public init(method: String, requestID: Identifier, digest: [UInt8]) {
        (self.method, id, self.digest, isFromCaller) = (method, requestID, digest, true)
    }

    /// A request without an id. The generated id begins with U+0001, which no caller's id may contain.
    public init(method: String) {
        let random = (0..<2).map { _ in String(UInt64.random(in: .min ... .max), radix: 36) }.joined(separator: ".")
        (self.method, id, isFromCaller) = (method, Identifier("\u{1}\(random)"), false)
        digest = [UInt8](repeating: 0, count: 32)
    }
}

/// The request id was used before, with another payload.
public struct RequestIDReused: Error, Sendable {}

/// The result of a write: its reply, and the new states of its sets, which enter the cache after the commit.
struct WriteResult<Reply: Codable & Sendable>: Sendable {
    var reply: Reply
    var sets: [SetKey: SetState] = [:]
}
