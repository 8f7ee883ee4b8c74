/// One way to name a user: exactly one of external id, alias, device id, braze id, e-mail address and telephone number.
public enum UserReference: Codable, Sendable, Hashable {
    /// A deprecated external id names its user too.
    case externalID(Identifier)
    case alias(Alias)
    case deviceID(Identifier)
    case brazeID(Identifier)
    /// By the attribute `email`; letters A to Z are as good as a to z, and blanks at its ends don't count.
    case email(Contact)
    /// By the attribute `phone`, byte for byte but for blanks at its ends.
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
                    at: decoder, "must have no prioritization: that goes with email and phone alone", .conflict)
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

/// An e-mail address or a telephone number, which several users may have, and which of them is meant.
public struct Contact: Sendable, Hashable {
    public var value: Identifier
    /// Nil or empty: the identified user who was updated last, else the one who was updated last.
    public var prioritization: [Prioritization]?

    public init(_ value: Identifier, _ prioritization: [Prioritization]? = nil) {
        (self.value, self.prioritization) = (value, prioritization)
    }
}

/// Which one of several users with the same e-mail address or telephone number is meant. Where more than one is left after all
/// that a list of these says, nobody is.
public enum Prioritization: String, Codable, Sendable, CaseIterable {
    /// Only those with an external id.
    case identified
    /// Only those without.
    case unidentified
    /// The one who was updated last.
    case mostRecentlyUpdated = "most_recently_updated"
    /// The one who was updated first.
    case leastRecentlyUpdated = "least_recently_updated"

    public init(from decoder: any Decoder) throws { self = try .oneOf(decoder) }
}
