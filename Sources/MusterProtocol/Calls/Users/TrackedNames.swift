/// The names that the objects of `users.track` may have. Reading one of these looks at names alone: what a field says
/// is judged object by object, so a value of another kind is no error here.
enum TrackedNames {
    /// An object of `attributes`: its names are data, those inside of `user_alias` and `push_tokens` are not.
    struct Attributes: Decodable {
        init(from decoder: any Decoder) throws {
            let object = try decoder.container(keyedBy: AnyKey.self)
            try object.requireKnownFields(Alias.CodingKeys.self, inside: AnyKey("user_alias"))
            try passingOverKinds { _ = try object.decodeIfPresent([PushToken].self, forKey: AnyKey("push_tokens")) }
        }
    }

    /// An object of `events`. Braze's `app_id` is taken and means nothing.
    struct Event: Decodable {
        enum CodingKeys: String, CodingKey, CaseIterable {
            case externalID = "external_id"
            case userAlias = "user_alias"
            case brazeID = "braze_id"
            case email, phone, name, time, properties
            case updateExistingOnly = "_update_existing_only"
            case appID = "app_id"
        }

        init(from decoder: any Decoder) throws {
            let object = try decoder.container(keyedBy: CodingKeys.self)
            try object.requireKnownFields(Alias.CodingKeys.self, inside: .userAlias)
        }
    }

    /// An object of `purchases`. Braze's `app_id` is taken and means nothing.
    struct Purchase: Decodable {
        enum CodingKeys: String, CodingKey, CaseIterable {
            case externalID = "external_id"
            case userAlias = "user_alias"
            case brazeID = "braze_id"
            case email, phone
            case productID = "product_id"
            case currency, price, quantity, time, properties
            case updateExistingOnly = "_update_existing_only"
            case appID = "app_id"
        }

        init(from decoder: any Decoder) throws {
            let object = try decoder.container(keyedBy: CodingKeys.self)
            try object.requireKnownFields(Alias.CodingKeys.self, inside: .userAlias)
        }
    }

    private struct PushToken: Decodable {
        enum CodingKeys: String, CodingKey, CaseIterable {
            case appID = "app_id"
            case token
            case deviceID = "device_id"
        }

        init(from decoder: any Decoder) throws { _ = try decoder.container(keyedBy: CodingKeys.self) }
    }

    /// The key of an object whose names are data.
    private struct AnyKey: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(_ name: String) { stringValue = name }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}

/// The keys of an object that has no field.
enum NoFields: CodingKey, CaseIterable {}

extension KeyedDecodingContainer {
    /// Throws where the object in a field has another field than these; what is no object is not looked at.
    fileprivate func requireKnownFields<Nested: CodingKey>(_ keys: Nested.Type, inside key: Key) throws {
        try passingOverKinds { _ = try nestedContainer(keyedBy: keys, forKey: key) }
    }
}

private func passingOverKinds(_ body: () throws -> Void) throws {
    do { try body() } catch let error as JSONError where error.reason != .unknownField {}
}
