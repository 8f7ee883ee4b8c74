/// One way to name a user: exactly one of external id, alias and device id.
public enum UserReference: Codable, Sendable, Hashable {
    case externalID(Identifier)
    case alias(Alias)
    case deviceID(Identifier)

    enum CodingKeys: String, CodingKey {
        case externalID = "external_id"
        case alias
        case deviceID = "device_id"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let found: [UserReference] = [
            try container.decodeIfPresent(Identifier.self, forKey: .externalID).map(Self.externalID),
            try container.decodeIfPresent(Alias.self, forKey: .alias).map(Self.alias),
            try container.decodeIfPresent(Identifier.self, forKey: .deviceID).map(Self.deviceID),
        ].compactMap(\.self)
        guard found.count == 1, let only = found.first else {
            throw JSONError(at: decoder, "must have exactly one of external_id, alias and device_id")
        }
        self = only
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .externalID(let id): try container.encode(id, forKey: .externalID)
        case .alias(let alias): try container.encode(alias, forKey: .alias)
        case .deviceID(let id): try container.encode(id, forKey: .deviceID)
        }
    }
}
