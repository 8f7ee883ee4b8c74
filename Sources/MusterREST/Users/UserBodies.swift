import MusterProtocol

/// The body of `/users/alias/new`.
struct NewAliasBody: Decodable {
    let aliases: [Entry]

    enum CodingKeys: String, CodingKey {
        case aliases = "user_aliases"
    }

    struct Entry: Decodable {
        let new: NewAlias

        enum CodingKeys: String, CodingKey {
            case externalID = "external_id"
            case userAlias = "user_alias"
        }

        /// Some clients wrap the alias in `user_alias`, as other routes have it.
        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            let id = try container.decodeIfPresent(LooseID.self, forKey: .externalID)
            let alias = try container.decodeIfPresent(Alias.self, forKey: .userAlias) ?? Alias(from: decoder)
            new = NewAlias(externalID: id?.id, label: alias.label, name: alias.name)
        }
    }
}

/// The body of `/users/alias/update`.
struct AliasUpdateBody: Decodable {
    let updates: [AliasUpdate]

    enum CodingKeys: String, CodingKey {
        case updates = "alias_updates"
    }
}

/// The body of `/users/delete`.
struct DeleteBody: Decodable {
    let users: [UserReference]

    enum CodingKeys: String, CodingKey {
        case externalIDs = "external_ids"
        case aliases = "user_aliases"
        case brazeIDs = "braze_ids"
        case emails = "email_addresses"
        case phones = "phone_numbers"
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let externalIDs = try container.decodeIfPresent([LooseID].self, forKey: .externalIDs) ?? []
        let aliases = try container.decodeIfPresent([Alias].self, forKey: .aliases) ?? []
        let brazeIDs = try container.decodeIfPresent([Identifier].self, forKey: .brazeIDs) ?? []
        users =
            externalIDs.map { .externalID($0.id) } + aliases.map(UserReference.alias)
            + brazeIDs.map(UserReference.brazeID)
            + (try container.decodeIfPresent([UserReference].self, forKey: .emails) ?? [])
            + (try container.decodeIfPresent([UserReference].self, forKey: .phones) ?? [])
        guard !users.isEmpty else {
            throw JSONError(
                at: decoder,
                "must have external_ids, user_aliases, braze_ids, email_addresses or phone_numbers, and one user in them",
                .missing)
        }
    }
}

/// The body of `/users/external_ids/rename`.
struct RenameBody: Decodable {
    let renames: [Entry]

    enum CodingKeys: String, CodingKey {
        case renames = "external_id_renames"
    }

    struct Entry: Decodable {
        let current: LooseID
        let new: LooseID

        enum CodingKeys: String, CodingKey {
            case current = "current_external_id"
            case new = "new_external_id"
        }
    }
}

/// The body of `/users/external_ids/remove`.
struct RemoveBody: Decodable {
    let externalIDs: [LooseID]

    enum CodingKeys: String, CodingKey {
        case externalIDs = "external_ids"
    }
}
