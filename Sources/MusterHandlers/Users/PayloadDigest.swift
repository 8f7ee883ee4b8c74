import Crypto
import MusterProtocol
import MusterStore

/// What a request id stands for: two calls are the same payload when their digests are.
enum PayloadDigest {
    /// SHA-256 of the decoded call without its request id, written as JSON: spaces and escapes of the message don't count.
    static func of(_ call: some RecordedCall) throws -> [UInt8] {
        var call = call
        call.requestID = nil
        return Array(SHA256.hash(data: try JSONEncoding.encode(call)))
    }
}

extension RequestKey {
    /// The key of a call, its request id checked.
    init<C: RecordedCall>(of call: C) throws {
        guard let id = call.requestID else {
            self.init(method: C.method)
            return
        }
        try check(requestID: id)
        self.init(method: C.method, requestID: id, digest: try PayloadDigest.of(call))
    }
}

/// A request id is an identifier of its own, shorter length.
func check(requestID: Identifier) throws {
    if let problem = requestID.problem(longest: Limits.requestIDBytes.value) {
        throw RPCError(.invalidArgument, "request_id \(problem)")
    }
}

extension RPCError {
    static var requestIDReused: RPCError {
        RPCError(.failedPrecondition, "the request_id was used for another payload; choose a new one for new work")
    }
}
