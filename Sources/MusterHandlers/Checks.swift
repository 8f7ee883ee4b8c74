import MusterProtocol
import MusterStore

/// Throws where an id of a cohort or segment can't be one.
func check(objectID: Identifier, _ field: String) throws {
    guard objectID.bytes.count <= Limits.objectIDBytes.value else {
        throw RPCError(.invalidArgument, "\(field) has more than \(Limits.objectIDBytes.value) bytes")
    }
    try check(well: objectID, field)
}

/// Throws where a request id can't be one.
func check(requestID: Identifier?) throws {
    guard let requestID else { return }
    guard requestID.bytes.count <= Limits.requestIDBytes.value else {
        throw RPCError(.invalidArgument, "request_id has more than \(Limits.requestIDBytes.value) bytes")
    }
    try check(well: requestID, "request_id")
}

private func check(well identifier: Identifier, _ field: String) throws {
    guard !identifier.bytes.isEmpty else { throw RPCError(.invalidArgument, "\(field) is empty") }
    guard identifier.validity == .valid else {
        throw RPCError(.invalidArgument, "\(field) has control characters")
    }
}

extension CallContext {
    /// Throws where a data import key means another partner than its own.
    func requireOwn(partner: String) throws {
        guard let own = session.partner, own != partner else { return }
        throw RPCError(.permissionDenied, "this data import key belongs to another partner")
    }

    func options(maxStaleness milliseconds: Int?) throws -> ReadOptions {
        let staleness = milliseconds ?? 0
        guard staleness >= 0 else { throw RPCError(.invalidArgument, "max_staleness_ms must not be negative") }
        return ReadOptions(
            deadline: deadline, maxStaleness: .milliseconds(min(staleness, Limits.stalenessMost.value)))
    }
}
