/// The fields that the objects of `users.track` may have. Decoding one of these only checks names: values are validated
/// object by object, so a value of another type is not an error here. `rule` describes that validation.
enum TrackedNames {
    /// An object of `attributes`: its names are data, except for those inside `user_alias` and `push_tokens`.
    struct Attributes: Decodable {
        init(from decoder: any Decoder) throws {
            let object = try decoder.container(keyedBy: AttributeKey.self)
            try object.requireKnownFields(UserAlias.self, inside: AttributeKey("user_alias"))
            try passingOverKinds {
                _ = try object.decodeIfPresent([PushToken].self, forKey: AttributeKey("push_tokens"))
            }
        }
    }

    /// An object of `events`. Braze's `app_id` is accepted and ignored.
    struct Event: Decodable {
        enum CodingKeys: String, FieldWithRule {
            case externalID = "external_id"
            case userAlias = "user_alias"
            case brazeID = "braze_id"
            case email, phone, name, time, properties
            case updateExistingOnly = "_update_existing_only"
            case appID = "app_id"

            var rule: FieldRule {
                switch self {
                case .externalID: .externalID
                case .userAlias: .userAlias
                case .brazeID: .brazeID
                case .email: .email
                case .phone: .phone
                case .name: .name
                case .time: .time
                case .properties: .properties
                case .updateExistingOnly: .flag
                case .appID: .ignored
                }
            }
        }

        init(from decoder: any Decoder) throws {
            let object = try decoder.container(keyedBy: CodingKeys.self)
            try object.requireKnownFields(UserAlias.self, inside: .userAlias)
        }
    }

    /// An object of `purchases`. Braze's `app_id` is accepted and ignored.
    struct Purchase: Decodable {
        enum CodingKeys: String, FieldWithRule {
            case externalID = "external_id"
            case userAlias = "user_alias"
            case brazeID = "braze_id"
            case email, phone
            case productID = "product_id"
            case currency, price, quantity, time, properties
            case updateExistingOnly = "_update_existing_only"
            case appID = "app_id"

            var rule: FieldRule {
                switch self {
                case .externalID: .externalID
                case .userAlias: .userAlias
                case .brazeID: .brazeID
                case .email: .email
                case .phone: .phone
                case .productID: .name
                case .currency: FieldRule("string", .required, "3 letters")
                case .price:
                    FieldRule("number", .required, "times `quantity` within ±\(Limits.purchaseAmount.described)")
                case .quantity:
                    FieldRule("whole number", .optional, "1 to \(Limits.purchaseQuantity.described)")
                case .time: .time
                case .properties: .properties
                case .updateExistingOnly: .flag
                case .appID: .ignored
                }
            }
        }

        init(from decoder: any Decoder) throws {
            let object = try decoder.container(keyedBy: CodingKeys.self)
            try object.requireKnownFields(UserAlias.self, inside: .userAlias)
        }
    }

    private enum UserAlias: String, FieldWithRule {
        case label = "alias_label"
        case name = "alias_name"

        var rule: FieldRule {
            switch self {
            case .label: FieldRule("string", .required, .bytes(Limits.labelBytes))
            case .name: .name
            }
        }
    }

    private struct PushToken: Decodable {
        enum CodingKeys: String, FieldWithRule {
            case appID = "app_id"
            case token
            case deviceID = "device_id"

            var rule: FieldRule {
                switch self {
                case .appID, .token: .ignored
                case .deviceID: FieldRule("string", .optional, .identifier)
                }
            }
        }

        init(from decoder: any Decoder) throws { _ = try decoder.container(keyedBy: CodingKeys.self) }
    }

    /// The fields of an object of `attributes` that are not attributes.
    private enum NamedField: String, FieldWithRule {
        case externalID = "external_id"
        case userAlias = "user_alias"
        case brazeID = "braze_id"
        case email, phone
        case pushTokens = "push_tokens"
        case pushTokenImport = "push_token_import"
        case mergeObjects = "_merge_objects"
        case updateExistingOnly = "_update_existing_only"

        var rule: FieldRule {
            switch self {
            case .externalID: .externalID
            case .userAlias: .userAlias
            case .brazeID: .brazeID
            case .email: .email
            case .phone: .phone
            case .pushTokens: FieldRule("array of objects", .optional)
            case .pushTokenImport, .updateExistingOnly: .flag
            case .mergeObjects: FieldRule("boolean or string", .optional, "`true` or `false`, in any case")
            }
        }
    }

    /// The key of an object whose names are data.
    private struct AttributeKey: KeyWithRules {
        static var rules: [(name: String, rule: FieldRule)] { NamedField.rules }

        let stringValue: String
        var intValue: Int? { nil }

        init(_ name: String) { stringValue = name }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}

/// The keys of an object without fields.
enum NoFields: CodingKey, CaseIterable {}

extension KeyedDecodingContainer {
    /// Throws when the object in a field has other fields than these; ignores values that are not objects.
    fileprivate func requireKnownFields<Nested: CodingKey>(_ keys: Nested.Type, inside key: Key) throws {
        try passingOverKinds { _ = try nestedContainer(keyedBy: keys, forKey: key) }
    }
}

private func passingOverKinds(_ body: () throws -> Void) throws {
    do { try body() } catch let error as JSONError where error.reason != .unknownField {}
}
