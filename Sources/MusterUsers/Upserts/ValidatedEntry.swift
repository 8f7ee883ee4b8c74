package import MusterProtocol

/// An entry of `users.upsert`, validated without regard to what is stored.
package struct ValidatedEntry: Sendable {
    /// External id, aliases, devices, in this order. The first one names the user of the entry: where nobody has it,
    /// the entry makes a user. No other identifier finds the user, since that would do what `users.identify` is for.
    let identifiers: [UserReference]
    let attributes: [Attributes.Entry]
    /// The result of an entry that is not valid.
    package let refusal: UpsertResult?
    /// Whether the entry makes a user where nobody has its first identifier.
    let makesUser: Bool
    /// Whether the two fields of its one alias are the entry's own, as in `users.alias.new`.
    private let isAlias: Bool

    /// An entry of `users.upsert`.
    package init(_ entry: UserEntry) { self.init(entry, makesUser: true, isAlias: false) }

    /// An entry of `users.alias.new`.
    package init(_ new: NewAlias) {
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

    /// What a message calls an identifier: `aliases[1]`, or `the alias` for an entry of `users.alias.new`. Messages
    /// have no identifiers, which are personal data.
    func part(_ position: Int) -> String {
        switch identifiers[position] {
        case .externalID: return "external_id"
        case .alias where isAlias: return "the alias"
        case .alias: return "aliases[\(position - (identifiers[0].isExternalID ? 1 : 0))]"
        case .deviceID: return "device_ids[\(position - identifiers.count { !$0.isDevice })]"
        // No entry has one of these.
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
        // A call that was read can be written; one that a test makes in process may not.
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
    package var isExternalID: Bool { if case .externalID = self { true } else { false } }
    var isDevice: Bool { if case .deviceID = self { true } else { false } }
}
