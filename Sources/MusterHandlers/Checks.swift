import MusterProtocol
import MusterStore

/// Throws if a field of a call has more `things` than the limit.
func check(_ count: Int, _ things: String = "entries", of field: String, atMost limit: Limit) throws {
    guard count <= limit.value else {
        throw RPCError.over(
            limit, field, .tooMany, "has \(count) \(things); send at most \(limit.value) in one call")
    }
}

/// Throws if the id of a cohort or segment is invalid.
func check(objectID: Identifier, _ field: String) throws {
    try check(objectID, field, atMost: Limits.objectIDBytes)
}

/// Throws if a request id is invalid.
func check(requestID: Identifier?) throws {
    if let requestID { try check(requestID, "request_id", atMost: Limits.requestIDBytes) }
}

private func check(_ identifier: Identifier, _ field: String, atMost limit: Limit) throws {
    if let problem = identifier.problem(atMost: limit) { throw RPCError(problem, at: field) }
}

/// Throws if a display name is empty or too long.
func check(name: String, _ field: String) throws {
    guard !name.isEmpty else { throw RPCError.invalid(field, .empty, "is empty") }
    guard name.utf8.count <= Limits.nameBytes.value else {
        throw RPCError(FieldProblem(over: Limits.nameBytes), at: field)
    }
}

/// Throws if a name that a filter compares is empty or too long.
func check(filterName name: Identifier, _ field: String, atMost limit: Limit) throws {
    guard !name.bytes.isEmpty else {
        throw RPCError.invalid(field, .empty, "must have 1 to \(limit.value) bytes")
    }
    guard name.bytes.count <= limit.value else {
        throw RPCError.over(limit, field, .tooLong, "must have 1 to \(limit.value) bytes")
    }
}

/// Throws if a partner's name is invalid.
func check(partner: String, _ field: String = "partner") throws {
    guard isPartnerName(partner) else {
        let limit = Limits.partnerNameBytes
        let problem = "is no partner's name: 1 to \(limit.value) of a to z, 0 to 9, _ and -"
        throw partner.utf8.count > limit.value
            ? RPCError.over(limit, field, .tooLong, problem) : RPCError.invalid(field, .invalidFormat, problem)
    }
}

/// Compares bytes: `String` treats some non-ASCII characters as equal to ASCII ones.
private func isPartnerName(_ name: String) -> Bool {
    let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789_-".utf8)
    return (1...Limits.partnerNameBytes.value).contains(name.utf8.count) && name.utf8.allSatisfy(letters.contains)
}

extension CallContext {
    /// Throws if a data import key names a partner other than its own.
    func requireOwn(partner: String) throws {
        guard let own = session.partner, own != partner else { return }
        throw RPCError(
            .permissionDenied, .otherPartner, field: "partner", "this data import key belongs to another partner")
    }

    /// The allowed age of an answer. Throws if the call's value is negative.
    func staleness(_ milliseconds: Int?) throws -> Duration {
        let staleness = milliseconds ?? 0
        guard staleness >= 0 else {
            throw RPCError.invalid("max_staleness_ms", .outOfRange, "must not be negative")
        }
        return .milliseconds(min(staleness, Limits.maxStaleness.value))
    }
}
