/// Names a user by exactly one of external id, alias, device id, braze id, e-mail address and telephone number.
public enum UserReference: Codable, Sendable, Hashable {
    /// A deprecated external id names its user too.
    case externalID(Identifier)
    case alias(Alias)
    case deviceID(Identifier)
    case brazeID(Identifier)
    /// The attribute `email`; letters A to Z equal a to z, and surrounding blanks are ignored.
    case email(Contact)
    /// The attribute `phone`, byte for byte; surrounding blanks are ignored.
    case phone(Contact)

    enum CodingKeys: String, CodingKey, CaseIterable {
        case externalID = "external_id"
        case alias
        case deviceID = "device_id"
        case brazeID = "braze_id"
        case email, phone, prioritization
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func contact(_ key: CodingKeys) throws -> Contact? {
            guard let value = try container.decodeIfPresent(Identifier.self, forKey: key) else { return nil }
            return Contact(value, try container.decodeIfPresent([Prioritization].self, forKey: .prioritization))
        }
        let found: [UserReference] = [
            try container.decodeIfPresent(Identifier.self, forKey: .externalID).map(Self.externalID),
            try container.decodeIfPresent(Alias.self, forKey: .alias).map(Self.alias),
            try container.decodeIfPresent(Identifier.self, forKey: .deviceID).map(Self.deviceID),
            try container.decodeIfPresent(Identifier.self, forKey: .brazeID).map(Self.brazeID),
            try contact(.email).map(Self.email),
            try contact(.phone).map(Self.phone),
        ].compactMap(\.self)
        guard found.count == 1, let only = found.first else {
            throw JSONError(
                at: decoder, "must have exactly one of external_id, alias, device_id, braze_id, email and phone",
                found.isEmpty ? .missing : .conflict)
        }
        switch only {
        case .email, .phone: break
        case .externalID, .alias, .deviceID, .brazeID:
            guard try container.decodeIfPresent([Prioritization].self, forKey: .prioritization) == nil else {
                throw JSONError(
                    at: decoder, "must have no prioritization, which is valid with email and phone only", .conflict)
            }
        }
        self = only
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .externalID(let id): try container.encode(id, forKey: .externalID)
        case .alias(let alias): try container.encode(alias, forKey: .alias)
        case .deviceID(let id): try container.encode(id, forKey: .deviceID)
        case .brazeID(let id): try container.encode(id, forKey: .brazeID)
        case .email(let contact):
            try container.encode(contact.value, forKey: .email)
            try container.encodeIfPresent(contact.prioritization, forKey: .prioritization)
        case .phone(let contact):
            try container.encode(contact.value, forKey: .phone)
            try container.encodeIfPresent(contact.prioritization, forKey: .prioritization)
        }
    }
}

/// An e-mail address or a telephone number, which several users may share, and rules that select one of them.
public struct Contact: Sendable, Hashable {
    public var value: Identifier
    /// Nil or empty: the identified user who was updated last, else the user who was updated last.
    public var prioritization: [Prioritization]?

    public init(_ value: Identifier, _ prioritization: [Prioritization]? = nil) {
        (self.value, self.prioritization) = (value, prioritization)
    }
}

/// Selects one of several users with the same e-mail address or telephone number. If a list of these leaves more than
/// one, no user matches.
public enum Prioritization: String, Codable, Sendable, CaseIterable {
    /// Only users with an external id.
    case identified
    /// Only users without one.
    case unidentified
    /// The user who was updated last.
    case mostRecentlyUpdated = "most_recently_updated"
    /// The user who was updated first.
    case leastRecentlyUpdated = "least_recently_updated"

    public init(from decoder: any Decoder) throws { self = try .oneOf(decoder) }
}
