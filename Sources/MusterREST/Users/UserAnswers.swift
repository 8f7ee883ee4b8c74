import MusterProtocol
import MusterStore

/// The answer to `/users/track`: what each array came to, and what is wrong with single objects.
struct Tracked: Encodable {
    let message: String
    let reply: TrackUsers.Reply

    enum CodingKeys: String, CodingKey {
        case message, errors
        case attributes = "attributes_processed"
        case events = "events_processed"
        case purchases = "purchases_processed"
    }

    /// Nil where not one object was good.
    init?(_ reply: TrackUsers.Reply) {
        let counts = [reply.attributesProcessed, reply.eventsProcessed, reply.purchasesProcessed]
        guard counts.contains(where: { $0 ?? 0 > 0 }) else { return nil }
        (message, self.reply) = ("success", reply)
    }

    /// The same, of which nothing was good.
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

/// The answer about aliases: how many entries there were, whatever they came to, and which can't be applied to anybody.
struct AliasesProcessed: Encodable {
    let message = "success"
    /// Nil where Braze counts none.
    let count: Int?
    /// Nil where all entries are well-formed.
    private(set) var errors: [ObjectError]?

    enum CodingKeys: String, CodingKey {
        case message, errors
        case count = "aliases_processed"
    }

    init(count: Int) { self.count = count }

    /// A pair that somebody else has, and an id that is nobody's, are no errors: connectors send such again and again.
    init(_ aliases: [NewAlias], _ results: [UpsertResult]) {
        count = aliases.count
        errors = ObjectError.all(
            in: "user_aliases",
            zip(aliases, results).map { new, result in
                guard result.reason == .invalid || result.reason == .tooMany else { return nil }
                let problem =
                    new.externalID?.problem()?.inside("external_id") ?? Alias(label: new.label, name: new.name).problem
                return problem?.sentence ?? result.message
            })
    }

    init(_ updates: [AliasUpdate], _ results: [RenameOutcome]) {
        count = nil
        errors = ObjectError.all(
            in: "alias_updates",
            zip(updates, results).map { update, result in
                guard result == .invalid else { return nil }
                return update.new.name.problem()?.inside("new_alias_name").sentence ?? "the new alias is not valid"
            })
    }
}

/// What is wrong with one object of a request, as `/users/track` says it.
struct ObjectError: Encodable {
    let type: String
    let inputArray: String
    let index: Int

    enum CodingKeys: String, CodingKey {
        case type, index
        case inputArray = "input_array"
    }

    /// Those of an array, by its objects; nil where there are none.
    static func all(in array: String, _ types: [String?]) -> [ObjectError]? {
        let errors = types.enumerated().compactMap { index, type in
            type.map { ObjectError(type: $0, inputArray: array, index: index) }
        }
        return errors.isEmpty ? nil : errors
    }
}

/// The answer to `/users/delete`.
struct Deleted: Encodable {
    let message = "success"
    let deleted: Int
}

/// An entry that could not be applied, as Braze writes one: its place in the request, and why.
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
        errors = results.enumerated().compactMap { index, result in
            let reason: String? =
                switch result {
                case .renamed: nil
                case .unchanged: "'new_external_id' is 'current_external_id'"
                case .unknown: "'current_external_id' is no user's"
                case .notPrimary: "'current_external_id' is deprecated"
                case .taken: "'new_external_id' is in use"
                case .invalid: "'new_external_id' is not valid"
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
