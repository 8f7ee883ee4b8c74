/// A user as exports show her: an object of Braze's names, with no field for what she doesn't have.
public struct ExportedUser: Sendable, Equatable {
    /// `external_id`, `user_aliases`, `first_name`, …, in the order in which they are sent.
    public var fields: Attributes

    /// A user of these fields.
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

/// What is wanted of exported users.
public struct ExportShape: Codable, Sendable, Hashable {
    /// Names of fields; nil wants all. A name that is none of a field's is no mistake, since Braze has more fields.
    public var fields: [Identifier]?
    /// Names in `custom_attributes`; nil wants all.
    public var customAttributes: [Identifier]?

    enum CodingKeys: String, CodingKey {
        case fields = "fields_to_export"
        case customAttributes = "custom_attributes_to_export"
    }

    /// All fields, or these.
    public init(fields: [Identifier]? = nil, customAttributes: [Identifier]? = nil) {
        self.fields = fields
        self.customAttributes = customAttributes
    }
}
