import MusterProtocol
import MusterStore

/// Throws where a field of a call has more `things` than it may.
func check(_ count: Int, _ things: String = "entries", of field: String, atMost limit: Limit) throws {
    guard count <= limit.value else {
        throw RPCError.over(
            limit, field, .tooMany, "has \(count) \(things); send at most \(limit.value) in one call")
    }
}

/// Throws where an id of a cohort or segment can't be one.
func check(objectID: Identifier, _ field: String) throws {
    try check(objectID, field, atMost: Limits.objectIDBytes)
}

/// Throws where a request id can't be one.
func check(requestID: Identifier?) throws {
    if let requestID { try check(requestID, "request_id", atMost: Limits.requestIDBytes) }
}

private func check(_ identifier: Identifier, _ field: String, atMost limit: Limit) throws {
    if let problem = identifier.problem(atMost: limit) { throw RPCError(problem, at: field) }
}

/// Throws where a name for people is empty or too long.
func check(name: String, _ field: String) throws {
    guard !name.isEmpty else { throw RPCError.invalid(field, .empty, "is empty") }
    guard name.utf8.count <= Limits.nameBytes.value else {
        throw RPCError(FieldProblem(over: Limits.nameBytes), at: field)
    }
}

/// Throws where a name that a filter compares has no byte, or too many.
func check(filterName name: Identifier, _ field: String, atMost limit: Limit) throws {
    guard !name.bytes.isEmpty else {
        throw RPCError.invalid(field, .empty, "must have 1 to \(limit.value) bytes")
    }
    guard name.bytes.count <= limit.value else {
        throw RPCError.over(limit, field, .tooLong, "must have 1 to \(limit.value) bytes")
    }
}

/// Throws where a partner's name can't be one.
func check(partner: String, _ field: String = "partner") throws {
    guard isPartnerName(partner) else {
        let limit = Limits.partnerNameBytes
        let problem = "is no partner's name: 1 to \(limit.value) of a to z, 0 to 9, _ and -"
        throw partner.utf8.count > limit.value
            ? RPCError.over(limit, field, .tooLong, problem) : RPCError.invalid(field, .invalidFormat, problem)
    }
}

/// By bytes: a `String` takes some characters outside of ASCII for equal to some inside.
private func isPartnerName(_ name: String) -> Bool {
    let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789_-".utf8)
    return (1...Limits.partnerNameBytes.value).contains(name.utf8.count) && name.utf8.allSatisfy(letters.contains)
}

extension CallContext {
    /// Throws where a data import key means another partner than its own.
    func requireOwn(partner: String) throws {
        guard let own = session.partner, own != partner else { return }
        throw RPCError(
            .permissionDenied, .otherPartner, field: "partner", "this data import key belongs to another partner")
    }

    /// How old an answer may be. Throws where the call says what can't be.
    func staleness(_ milliseconds: Int?) throws -> Duration {
        let staleness = milliseconds ?? 0
        guard staleness >= 0 else {
            throw RPCError.invalid("max_staleness_ms", .outOfRange, "must not be negative")
        }
        return .milliseconds(min(staleness, Limits.stalenessMost.value))
    }
}
