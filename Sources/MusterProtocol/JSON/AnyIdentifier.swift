/// An identifier of one entry of many. Decoding accepts it even when it is invalid, so that only its own entry is
/// refused. It contains U+0000 then, which no valid identifier has.
struct AnyIdentifier: Sendable {
    let id: Identifier

    init(id: Identifier) { self.id = id }

    init(_ value: JSONValue) throws(JSONError) {
        id = Identifier(bytes: try value.stringBytes(takesUnusable: true))
    }
}

extension AnyIdentifier: Decodable {
    /// Only `JSONDecoding` can read one, and it bypasses this initializer.
    init(from decoder: any Decoder) throws {
        throw JSONError(at: decoder, "can only be read by JSONDecoding", .wrongType)
    }
}

/// The same for an alias.
struct AnyAlias: Decodable {
    let alias: Alias

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Alias.CodingKeys.self)
        alias = Alias(
            label: try container.decode(AnyIdentifier.self, forKey: .label).id,
            name: try container.decode(AnyIdentifier.self, forKey: .name).id)
    }
}
