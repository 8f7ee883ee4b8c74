/// The rules of `users.track` for fields that several of its objects have. A test compares the store's validation with
/// them.
extension FieldRule {
    static let externalID = Self("string or whole number", .choice, .identifier)
    static let userAlias = Self("object", .choice)
    static let brazeID = Self("string", .choice, .identifier)
    static let email = Self("string", .choice, "an address, \(String.identifier)")
    static let phone = Self("string or whole number", .choice, .identifier)
    static let name = Self("string", .required, .identifier)
    static let time = Self("time", .required, "at most \(Limits.eventLead.described) ahead")
    static let properties = Self("object", .optional, "at most \(Limits.attributesBytes.described)")
    static let flag = Self("boolean", .optional)
    /// Accepted and ignored.
    static let ignored = Self("JSON value", .optional)
}

extension String {
    /// The bounds of an identifier, in words.
    static var identifier: String { .bytes(Limits.identifierBytes) }

    /// The bounds of a text with this maximum of bytes, in words.
    static func bytes(_ limit: Limit) -> String { "1 to \(limit.described)" }
}
