import MusterProtocol
import MusterStore

/// Throws where a field of a call has more `things` than it may; the details name the limit.
func check(_ count: Int, _ things: String = "entries", of field: String, atMost limit: Limit) throws {
    guard count <= limit.value else {
        throw RPCError(
            .invalidArgument, "\(field) has \(count) \(things); send at most \(limit.value) in one call",
            details: ["limit": .string(Array(limit.name.utf8))])
    }
}

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

/// Throws where a name for people is empty or too long.
func check(name: String, _ field: String) throws {
    guard !name.isEmpty else { throw RPCError(.invalidArgument, "\(field) is empty") }
    guard name.utf8.count <= Limits.nameBytes.value else {
        throw RPCError(.invalidArgument, "\(field) has more than \(Limits.nameBytes.value) bytes")
    }
}

/// Throws where a partner's name can't be one.
func check(partner: String, _ field: String = "partner") throws {
    guard isPartnerName(partner) else {
        throw RPCError(.invalidArgument, "\(field) is no partner's name: 1 to 64 of a to z, 0 to 9, _ and -")
    }
}

/// By bytes: a `String` takes some characters outside of ASCII for equal to some inside.
private func isPartnerName(_ name: String) -> Bool {
    let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789_-".utf8)
    return (1...64).contains(name.utf8.count) && name.utf8.allSatisfy(letters.contains)
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
