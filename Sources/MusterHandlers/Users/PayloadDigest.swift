import Cryptography
import MusterProtocol
import MusterStore

/// The payload of a request id: two calls have the same payload if their digests are equal.
enum PayloadDigest {
    /// SHA-256 of the decoded call without its request id, encoded as JSON. Spaces and escapes of the message don't
    /// count.
    static func of(_ call: some RecordedCall) throws -> [UInt8] {
        var call = call
        call.requestID = nil
        return try SHA256.digest(of: JSONEncoding.encode(call))
    }
}

extension IdempotencyKey {
    /// The key under which the reply to a call is recorded. Throws if its request id is invalid.
    init<C: RecordedCall>(_ call: C) throws {
        try check(requestID: call.requestID)
        guard let id = call.requestID else {
            self.init(method: C.method)
            return
        }
        self.init(method: C.method, requestID: id, digest: try PayloadDigest.of(call))
    }
}
