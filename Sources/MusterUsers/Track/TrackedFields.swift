import MusterProtocol

/// Why an object of `users.track` is refused: a text for the caller, which names fields and never has their values.
struct TrackRefusal: Error {
    let type: String

    static func required(_ field: String) -> TrackRefusal { TrackRefusal(type: "'\(field)' is required") }
    static func invalid(_ field: String) -> TrackRefusal { TrackRefusal(type: "'\(field)' is not valid") }
    static func nestedOperator(_ field: String) -> TrackRefusal {
        TrackRefusal(type: "'\(field)' is not valid: of the names in nested objects only $time may begin with $")
    }
    static func over(_ limit: Limit, _ field: String) -> TrackRefusal {
        TrackRefusal(type: "'\(field)' \(FieldProblem(over: limit).text)")
    }
}

/// The fields of one object of `users.track`, by name.
struct TrackedFields {
    let entries: [Attributes.Entry]
    private let values: AttributesByName

    init(_ object: Attributes) {
        entries = object.entries
        values = object.byName
    }

    /// The field's value; nil where it is absent or `null`.
    subscript(field: String) -> AttributeValue? {
        let value = values[Array(field.utf8)]
        return value == .null ? nil : value
    }

    func flag(_ field: String) throws -> Bool? {
        guard let value = self[field] else { return nil }
        guard case .bool(let flag) = value else { throw TrackRefusal.invalid(field) }
        return flag
    }

    /// A flag that some clients send as a string, such as `True`.
    func looseFlag(_ field: String) throws -> Bool? {
        guard case .string(let text) = self[field] else { return try flag(field) }
        switch String(decoding: text, as: UTF8.self).lowercased() {
        case "true": return true
        case "false": return false
        default: throw TrackRefusal.invalid(field)
        }
    }

    /// A valid identifier; nil where the field is absent. With `numbers`, a whole number stands for its digits.
    func identifier(_ field: String, numbers: Bool = false) throws -> Identifier? {
        let identifier: Identifier
        switch self[field] {
        case nil: return nil
        case .string(let bytes): identifier = Identifier(bytes: bytes)
        case .integer(let number) where numbers: identifier = Identifier(String(number))
        default: throw TrackRefusal.invalid(field)
        }
        switch identifier.validity {
        case .valid: return identifier
        case .tooLong: throw TrackRefusal.over(Limits.identifierBytes, field)
        case .empty, .controlCharacter: throw TrackRefusal.invalid(field)
        }
    }

    func required(_ field: String) throws -> Identifier {
        guard let identifier = try identifier(field) else { throw TrackRefusal.required(field) }
        return identifier
    }

    /// When something happened; required. Clocks differ, so it may lie a little ahead.
    func time(_ field: String) throws -> Instant {
        guard let value = self[field] else { throw TrackRefusal.required(field) }
        let lead = Limits.eventLead
        let latest = Instant.now.microseconds + Int64(lead.value) * 3_600_000_000
        guard case .string(let text) = value, let time = Instant(iso8601: text) else {
            throw TrackRefusal.invalid(field)
        }
        guard time.microseconds <= latest else {
            throw TrackRefusal(
                type: "'\(field)' is not valid: it lies ahead by more than \(lead.described)")
        }
        return time
    }

    func price() throws -> Double {
        guard let value = self["price"] else { throw TrackRefusal.required("price") }
        let price: Double? =
            switch value {
            case .integer(let number): Double(number)
            case .number(let number): number
            default: nil
            }
        guard let price else { throw TrackRefusal.invalid("price") }
        return price
    }

    /// The properties of an event or purchase; an empty array is an object without fields, which is how PHP writes one.
    func properties() throws -> RawJSON? {
        guard let value = self["properties"] else { return nil }
        if value == .strings([]) { return .emptyObject }
        guard case .other(let json) = value, json.bytes.first == UInt8(ascii: "{") else {
            throw TrackRefusal.invalid("properties")
        }
        if let problem = value.storageProblem { throw TrackRefusal(type: "'properties' is not valid: it \(problem)") }
        guard json.bytes.count <= Limits.attributesBytes.value else {
            throw TrackRefusal.over(Limits.attributesBytes, "properties")
        }
        return json
    }
}

extension TrackedFields {
    /// The user that the object names, by the first kind of identifier that it has.
    func user() throws -> UserReference {
        if let id = try identifier("external_id", numbers: true) { return .externalID(id) }
        if let alias = try alias() { return .alias(alias) }
        if let id = try identifier("braze_id") { return .brazeID(id) }
        if let email = try contact(.email) { return .email(Contact(email)) }
        if let phone = try contact(.phone) { return .phone(Contact(phone)) }
        throw TrackRefusal(type: "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required")
    }

    /// An e-mail address or telephone number in its stored form; nil where there is none.
    func contact(_ kind: ContactKind) throws -> Identifier? {
        guard let value = self[kind.rawValue] else { return nil }
        guard case .string(let text)? = kind.normalized(value) else {
            // For one that is too long, this error says more.
            _ = try identifier(kind.rawValue)
            throw TrackRefusal.invalid(kind.rawValue)
        }
        return Identifier(bytes: text)
    }

    /// Whether the object makes the user that it names, where there is none.
    func makes(_ user: UserReference) throws -> Bool {
        let updatesOnly = try flag("_update_existing_only")
        return switch user {
        case .externalID, .email, .phone, .deviceID: updatesOnly != true
        case .alias: updatesOnly == false
        case .brazeID: false
        }
    }

    private func alias() throws -> Alias? {
        guard let value = self["user_alias"], value != .strings([]) else { return nil }
        guard case .other(let json) = value, let fields = try json.asObject.map(TrackedFields.init),
            case .string(let label) = fields["alias_label"], case .string(let name) = fields["alias_name"]
        else { throw TrackRefusal.invalid("user_alias") }
        let alias = Alias(label: Identifier(bytes: label), name: Identifier(bytes: name))
        if let problem = alias.problem {
            guard problem.limit != nil else { throw TrackRefusal.invalid("user_alias") }
            throw TrackRefusal(type: "'user_alias' is not valid: \(problem.sentence)")
        }
        return alias
    }
}
