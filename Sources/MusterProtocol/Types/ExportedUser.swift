/// A user in an export: an object with Braze's field names, without fields that have no value.
public struct ExportedUser: Sendable, Equatable {
    /// `external_id`, `user_aliases`, `first_name`, …, in the order in which they are sent.
    public var fields: Attributes

    /// Makes a user of these fields.
    public init(fields: Attributes) {
        self.fields = fields
    }
}

extension ExportedUser: Codable {
    public init(from decoder: any Decoder) throws {
        fields = try decoder.singleValueContainer().decode(Attributes.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(fields)
    }
}

/// The selected fields of exported users.
public struct ExportShape: Codable, Sendable, Hashable {
    /// Names of fields; nil selects all. An unknown name is accepted, because Braze has more fields.
    public var fields: [Identifier]?
    /// Names in `custom_attributes`; nil selects all.
    public var customAttributes: [Identifier]?

    enum CodingKeys: String, CodingKey {
        case fields = "fields_to_export"
        case customAttributes = "custom_attributes_to_export"
    }

    /// Makes a selection.
    public init(fields: [Identifier]? = nil, customAttributes: [Identifier]? = nil) {
        self.fields = fields
        self.customAttributes = customAttributes
    }
}
