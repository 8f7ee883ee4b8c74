import MusterProtocol

/// The body of `/users/identify`.
struct IdentifyBody: Decodable {
    /// In the order of the request, aliases first.
    let calls: [IdentifyUser]

    enum CodingKeys: String, CodingKey {
        case aliases = "aliases_to_identify"
        case emails = "emails_to_identify"
        case phones = "phone_numbers_to_identify"
        case mergeBehavior = "merge_behavior"
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let aliases = try container.decodeIfPresent([AliasEntry].self, forKey: .aliases) ?? []
        let emails = try container.decodeIfPresent([EmailEntry].self, forKey: .emails) ?? []
        let phones = try container.decodeIfPresent([PhoneEntry].self, forKey: .phones) ?? []
        let behavior = try container.decodeIfPresent(MergeBehavior.self, forKey: .mergeBehavior) ?? .merge
        let users: [(UserReference, GivenID)] =
            aliases.map { (.alias($0.alias), $0.externalID) }
            + emails.map { (.email(Contact($0.email, $0.prioritization ?? [.unidentified])), $0.externalID) }
            + phones.map { (.phone(Contact($0.phone, $0.prioritization ?? [.unidentified])), $0.externalID) }
        guard !users.isEmpty else {
            throw JSONError(
                at: decoder,
                "must have aliases_to_identify, emails_to_identify or phone_numbers_to_identify, and one user in them",
                .missing)
        }
        calls = users.map { IdentifyUser(user: $0, externalID: $1.id, mergeWhen: behavior.mergeWhen) }
    }

    /// An older field that clients still send.
    private enum MergeBehavior: String, Decodable, CaseIterable {
        case none, merge

        var mergeWhen: MergeWhen { self == .none ? .never : .labelsDiffer }
    }

    /// The id to assign, which must be a valid one.
    private struct GivenID: Decodable {
        let id: Identifier

        init(from decoder: any Decoder) throws {
            id = try decoder.singleValueContainer().decode(LooseID.self).id
            if let problem = id.problem() { throw JSONError(problem, at: decoder) }
        }
    }

    private struct AliasEntry: Decodable {
        let externalID: GivenID
        let alias: Alias

        enum CodingKeys: String, CodingKey {
            case externalID = "external_id"
            case alias = "user_alias"
        }
    }

    // Only anonymous users can be identified, so a request without prioritization means them.

    private struct EmailEntry: Decodable {
        let externalID: GivenID
        let email: Identifier
        let prioritization: [Prioritization]?

        enum CodingKeys: String, CodingKey {
            case externalID = "external_id"
            case email, prioritization
        }
    }

    private struct PhoneEntry: Decodable {
        let externalID: GivenID
        let phone: Identifier
        let prioritization: [Prioritization]?

        enum CodingKeys: String, CodingKey {
            case externalID = "external_id"
            case phone, prioritization
        }
    }
}
