import MusterProtocol

/// The answer to `/users/track`: how many objects of each array were processed, and the errors of single objects.
struct Tracked: Encodable {
    let message: String
    let reply: TrackUsers.Reply

    enum CodingKeys: String, CodingKey {
        case message, errors
        case attributes = "attributes_processed"
        case events = "events_processed"
        case purchases = "purchases_processed"
    }

    /// Nil if no object was valid.
    init?(_ reply: TrackUsers.Reply) {
        let counts = [reply.attributesProcessed, reply.eventsProcessed, reply.purchasesProcessed]
        guard counts.contains(where: { $0 ?? 0 > 0 }) else { return nil }
        (message, self.reply) = ("success", reply)
    }

    /// The answer if no object was valid.
    init(refused reply: TrackUsers.Reply) {
        message = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."
        self.reply = TrackUsers.Reply(
            attributesProcessed: nil, eventsProcessed: nil, purchasesProcessed: nil, errors: reply.errors)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(message, forKey: .message)
        try container.encodeIfPresent(reply.attributesProcessed, forKey: .attributes)
        try container.encodeIfPresent(reply.eventsProcessed, forKey: .events)
        try container.encodeIfPresent(reply.purchasesProcessed, forKey: .purchases)
        if !reply.errors.isEmpty { try container.encode(reply.errors, forKey: .errors) }
    }
}

/// The answer about aliases: the number of entries, whatever their outcomes, and the entries that are invalid.
struct AliasesProcessed: Encodable {
    let message = "success"
    /// Nil on routes where Braze sends no count.
    let count: Int?
    /// Nil if all entries are well-formed.
    private(set) var errors: [ObjectError<AliasArray>]?

    enum CodingKeys: String, CodingKey {
        case message, errors
        case count = "aliases_processed"
    }

    init(count: Int) { self.count = count }

    /// An alias that another user has, or an unknown id, is not an error: connectors send such entries repeatedly.
    init(_ results: [UpsertResult]) {
        count = results.count
        errors = Self.errors(
            in: .new, results.map { $0.reason == .invalid || $0.reason == .tooMany ? $0.message : nil })
    }

    init(_ updates: [AliasUpdate], _ results: [RenameOutcome]) {
        count = nil
        errors = Self.errors(
            in: .updates,
            zip(updates, results).map { update, result in
                guard result == .invalid else { return nil }
                return update.new.name.problem()?.inside("new_alias_name").sentence ?? "the new alias is not valid"
            })
    }

    /// The errors of the objects of an array, by their positions; nil without errors.
    private static func errors(in array: AliasArray, _ types: [String?]) -> [ObjectError<AliasArray>]? {
        let errors = types.enumerated().compactMap { index, type in
            type.map { ObjectError($0, in: array, at: index) }
        }
        return errors.isEmpty ? nil : errors
    }
}

/// The arrays of the requests about aliases.
enum AliasArray: String, Codable {
    case new = "user_aliases"
    case updates = "alias_updates"
}

/// The answer to `/users/delete`.
struct Deleted: Encodable {
    let message = "success"
    let deleted: Int
}

/// An entry that could not be applied, in Braze's form: its position in the request, and why.
struct EntryError: Encodable {
    let index: Int
    let reason: String

    func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(index)
        try container.encode(reason)
    }
}

/// The answer to `/users/external_ids/rename`.
struct Renamed: Encodable {
    let message = "success"
    let externalIDs: [ExternalIDRename]
    let errors: [EntryError]

    enum CodingKeys: String, CodingKey {
        case message
        case externalIDs = "external_ids"
        case errors = "rename_errors"
    }

    init(_ renames: [ExternalIDRename], _ results: [RenameOutcome]) {
        externalIDs = zip(renames, results).filter { $1 == .renamed }.map { $0.0 }
        errors = zip(renames, results).enumerated().compactMap { index, pair in
            let (rename, result) = pair
            let reason: String? =
                switch result {
                case .renamed: nil
                case .unchanged: "'new_external_id' is 'current_external_id'"
                case .unknown: "'current_external_id' is no user's"
                case .notPrimary: "'current_external_id' is deprecated"
                case .taken: "'new_external_id' is in use"
                case .invalid:
                    rename.new.problem()?.inside("'new_external_id'").sentence ?? "'new_external_id' is not valid"
                }
            return reason.map { EntryError(index: index, reason: $0) }
        }
    }
}

/// The answer to `/users/external_ids/remove`.
struct Removed: Encodable {
    let message = "success"
    let removed: [Identifier]
    let errors: [EntryError]

    enum CodingKeys: String, CodingKey {
        case message
        case removed = "removed_ids"
        case errors = "removal_errors"
    }

    init(_ ids: [Identifier], _ results: [RemovalOutcome]) {
        removed = zip(ids, results).filter { $1 == .removed }.map { $0.0 }
        errors = results.enumerated().compactMap { index, result in
            switch result {
            case .removed: nil
            case .unknown: EntryError(index: index, reason: "the external id is no user's")
            case .notDeprecated: EntryError(index: index, reason: "the external id is not deprecated")
            }
        }
    }
}
