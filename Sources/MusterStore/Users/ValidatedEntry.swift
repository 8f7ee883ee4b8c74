public import MusterProtocol

/// An entry of `users.upsert`, judged by itself: nothing of this depends on what is stored.
struct ValidatedEntry: Sendable {
    /// External id, aliases, devices, in this order. The first is the one by which the entry means a user: where nobody has it,
    /// the user is made, and never found by another one, since that would be `users.identify` in disguise.
    let identifiers: [UserReference]
    let attributes: [Attributes.Entry]
    let refusal: UpsertResult?
    /// Whether a user is made where nobody is meant.
    let makesUser: Bool
    /// Whether the entry has the two fields of its one alias itself, as one of `users.alias.new` has.
    private let isAlias: Bool

    init(_ entry: UserEntry) { self.init(entry, makesUser: true, isAlias: false) }

    /// An entry of `users.alias.new`.
    init(_ new: NewAlias) {
        self.init(
            UserEntry(externalID: new.externalID, aliases: [Alias(label: new.label, name: new.name)]),
            makesUser: new.externalID == nil, isAlias: true)
    }

    private init(_ entry: UserEntry, makesUser: Bool, isAlias: Bool) {
        (self.makesUser, self.isAlias) = (makesUser, isAlias)
        identifiers =
            [entry.externalID.map(UserReference.externalID)].compactMap(\.self)
            + (entry.aliases ?? []).map(UserReference.alias) + (entry.deviceIDs ?? []).map(UserReference.deviceID)
        attributes = (entry.attributes?.entries ?? []).map(\.normalized)
        refusal = Self.refusal(of: entry, identifiers, isAlias: isAlias)
    }

    /// The user that the entry means.
    var meant: UserReference { identifiers[0] }

    /// How a message names an identifier: `aliases[1]`, or `the alias` where the entry is one. Never by what it says.
    func part(_ position: Int) -> String {
        switch identifiers[position] {
        case .externalID: return "external_id"
        case .alias where isAlias: return "the alias"
        case .alias: return "aliases[\(position - (identifiers[0].isExternalID ? 1 : 0))]"
        case .deviceID: return "device_ids[\(position - identifiers.count { !$0.isDevice })]"
        // An entry has none of these.
        case .brazeID, .email, .phone: return "users"
        }
    }

    private static func refusal(
        of entry: UserEntry, _ identifiers: [UserReference], isAlias: Bool
    ) -> UpsertResult? {
        if let problem = problem(of: entry, isAlias: isAlias) { return .refused(.invalid, problem) }
        if identifiers.isEmpty {
            return .refused(.noIdentifier, "the entry has no external_id, no alias and no device_id")
        }
        guard let attributes = entry.attributes, !attributes.entries.isEmpty else { return nil }
        return refusal(of: attributes)
    }

    private static func problem(of entry: UserEntry, isAlias: Bool) -> String? {
        if let problem = entry.externalID?.problem() { return problem.inside("external_id").sentence }
        for (index, alias) in (entry.aliases ?? []).enumerated() {
            if let problem = alias.problem {
                return isAlias ? problem.sentence : problem.inside("aliases[\(index)]").sentence
            }
        }
        for (index, device) in (entry.deviceIDs ?? []).enumerated() {
            if let problem = device.problem() { return problem.inside("device_ids[\(index)]").sentence }
        }
        return nil
    }

    private static func refusal(of attributes: Attributes) -> UpsertResult? {
        for (index, attribute) in attributes.entries.enumerated() {
            if attribute.name.isEmpty { return .refused(.invalid, "the name of attribute \(index) is empty") }
            if attribute.name.count > Limits.attributeNameBytes.value {
                let problem = FieldProblem(over: Limits.attributeNameBytes)
                return .refused(.invalid, "the name of attribute \(index) \(problem.text)")
            }
            if attribute.name.contains(0) {
                return .refused(.invalid, "the name of attribute \(index) \(AttributeValue.unusableText)")
            }
            if let problem = attribute.value.storageProblem {
                return .refused(.invalid, "the value of attribute \(index) \(problem)")
            }
            if let problem = attribute.contactProblem {
                return .refused(.invalid, problem)
            }
        }
        // What can't be written could not have been read; a call that was made in process may hold such a thing.
        guard let json = try? JSONEncoding.encode(attributes) else {
            return .refused(.invalid, "attributes can't be written as JSON")
        }
        guard json.count <= Limits.attributesBytes.value else {
            return .refused(
                .tooMany,
                "attributes as JSON are over \(Limits.attributesBytes.described)")
        }
        return nil
    }
}

extension UpsertResult {
    static func refused(_ reason: Reason, _ message: String) -> UpsertResult {
        UpsertResult(.refused, reason: reason, message: message)
    }
}

extension UserReference {
    var isExternalID: Bool { if case .externalID = self { true } else { false } }
    var isDevice: Bool { if case .deviceID = self { true } else { false } }
}

extension Identifier {
    /// Why it can't be an identifier; nil where it can.
    ///
    /// - Parameter limit: how long it may be, where that is less than `Identifier.longest`.
    public func problem(atMost limit: Limit = Limits.identifierBytes) -> FieldProblem? {
        if bytes.count > limit.value { return FieldProblem(over: limit) }
        return switch validity {
        case .valid: nil
        case .empty: FieldProblem(.empty, "is empty")
        case .tooLong: FieldProblem(over: Limits.identifierBytes)
        case .controlCharacter: FieldProblem(.invalidCharacters, "has a control character")
        }
    }
}

extension Alias {
    /// Why it can't be an alias, and which of its fields can't; nil where it can.
    public var problem: FieldProblem? {
        label.problem(atMost: Limits.labelBytes)?.inside("alias_label") ?? name.problem()?.inside("alias_name")
    }
}
