import Cryptography
import MusterProtocol
import MusterStore

/// What a request id stands for: two calls are the same payload when their digests are.
enum PayloadDigest {
    /// SHA-256 of the decoded call without its request id, written as JSON: spaces and escapes of the message don't
    /// count.
    static func of(_ call: some RecordedCall) throws -> [UInt8] {
        var call = call
        call.requestID = nil
        return try SHA256.digest(of: JSONEncoding.encode(call))
    }
}

extension IdempotencyKey {
    /// Under what the answer to a call is recorded. Throws where its request id can't be one.
    init<C: RecordedCall>(_ call: C) throws {
        try check(requestID: call.requestID)
        guard let id = call.requestID else {
            self.init(method: C.method)
            return
        }
        self.init(method: C.method, requestID: id, digest: try PayloadDigest.of(call))
    }
}
