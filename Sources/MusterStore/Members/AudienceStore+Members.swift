import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// A member with its number in the listed set.
struct NumberedMember: Sendable {
    let number: UserNumber
    let member: Member
}

extension AudienceStore {
    /// The users behind `numbers`, which are members of `set`, in their order. Omits users erased since `set` was made.
    /// A user merged since appears as the kept user, at the lowest merged number, unless the kept user is in the set
    /// itself. So each user appears once over all pages, even if it is merged between two pages.
    func shown(_ numbers: [UserNumber], of set: MemberSet, allIdentifiers: Bool) async throws -> [NumberedMember] {
        try await readTransaction { transaction in
            var users = try transaction.identifiers(of: numbers, all: allIdentifiers)
            let missing = numbers.filter { users[$0] == nil }
            let kept = try transaction.kept(for: missing, in: set)
            if !kept.isEmpty {
                users.merge(try transaction.identifiers(of: Array(kept.values), all: allIdentifiers)) {
                    own, _ in own
                }
            }
            return numbers.compactMap { number in
                let shown = kept[number] ?? number
                return users[shown].map { NumberedMember(number: number, member: $0) }
            }
        }
    }

    /// The number of users of `set` that still exist; `set` may be of an earlier state.
    func presentCount(of set: MemberSet) async throws -> Int {
        let everyone = try await read(.filter(.everyone)).state.everyone.members
        let gone = set.subtracting(everyone)
        guard !gone.isEmpty else { return set.count }
        let kept = try await readTransaction { transaction in
            try transaction.kept(for: gone.users, in: set)
        }
        return set.count - gone.count + MemberSet(users: Array(kept.values)).intersection(everyone).count
    }
}

extension WorkspaceTransaction {
    /// For numbers that no user has any more: the kept user of each merged number that represents it in `set`.
    borrowing func kept(for numbers: [UserNumber], in set: MemberSet) throws -> [UserNumber: UserNumber] {
        guard !numbers.isEmpty else { return [:] }
        var lowest: [UserNumber: UserNumber] = [:]
        try forEach(
            """
            SELECT DISTINCT o.merged_number, o.kept_number
            FROM merged_user m
            JOIN merged_user o ON o.workspace_id = \(workspace) AND o.kept_number = m.kept_number
            WHERE m.workspace_id = \(workspace) AND m.merged_number = ANY (\(numbers))
            """
        ) { row in
            let merged = try row.value(0, as: UserNumber.self)
            let kept = try row.value(1, as: UserNumber.self)
            guard set.contains(merged.rawValue), !set.contains(kept.rawValue) else { return }
            lowest[kept] = min(merged, lowest[kept] ?? merged)
        }
        return Dictionary(uniqueKeysWithValues: lowest.map { ($0.value, $0.key) })
    }

    /// The users with these numbers. Each is named by its external id, else one alias, else one device, else its braze
    /// id; or by all identifiers.
    borrowing func identifiers(of numbers: [UserNumber], all: Bool) throws -> [UserNumber: Member] {
        var members: [UserNumber: Member] = [:]
        members.reserveCapacity(numbers.count)
        var needy: [UserNumber] = []
        try forEach(
            """
            SELECT user_number, external_id FROM registered_user
            WHERE workspace_id = \(workspace) AND user_number = ANY (\(numbers))
            """
        ) { row in
            let number: UserNumber = try row.value(0)
            let externalID: Identifier? = try row.value(1)
            members[number] = Member(externalID: externalID)
            if all || externalID == nil { needy.append(number) }
        }
        guard !needy.isEmpty else { return members }
        try addAliases(to: &members, of: needy)
        try addDevices(to: &members, of: needy)
        if !all { for number in needy { members[number]?.keepOne() } }
        try addBrazeIDs(
            to: &members, of: all ? needy : needy.filter { members[$0] == Member() })
        return members
    }

    private borrowing func addBrazeIDs(to members: inout [UserNumber: Member], of numbers: [UserNumber]) throws {
        guard !numbers.isEmpty else { return }
        let ids = try query(
            """
            SELECT user_number, braze_id FROM registered_user
            WHERE workspace_id = \(workspace) AND user_number = ANY (\(numbers))
            """
        ) { row in (try row.value(0, as: UserNumber.self), try row.value(1, as: Identifier.self)) }
        for (number, id) in ids { members[number]?.brazeID = id }
    }

    private borrowing func addAliases(to members: inout [UserNumber: Member], of numbers: [UserNumber]) throws {
        let aliases = try query(
            """
            SELECT user_number, alias_label, alias_name FROM user_alias
            WHERE workspace_id = \(workspace) AND user_number = ANY (\(numbers)) ORDER BY user_number, alias_label
            """
        ) { row in
            (try row.value(0, as: UserNumber.self), Alias(label: try row.value(1), name: try row.value(2)))
        }
        for (number, alias) in aliases { members[number]?.aliases.append(alias) }
    }

    private borrowing func addDevices(to members: inout [UserNumber: Member], of numbers: [UserNumber]) throws {
        let devices = try query(
            """
            SELECT user_number, device_id FROM user_device
            WHERE workspace_id = \(workspace) AND user_number = ANY (\(numbers)) ORDER BY user_number, device_id
            """
        ) { row in (try row.value(0, as: UserNumber.self), try row.value(1, as: Identifier.self)) }
        for (number, device) in devices { members[number]?.deviceIDs.append(device) }
    }
}

extension Member {
    /// Keeps one identifier, which is enough to name a user: an alias in preference to a device.
    fileprivate mutating func keepOne() {
        aliases = aliases.map { Array($0.prefix(1)) }
        deviceIDs = aliases == nil ? deviceIDs.map { Array($0.prefix(1)) } : nil
    }
}

extension [Alias]? {
    fileprivate mutating func append(_ alias: Alias) { self = (self ?? []) + [alias] }
}

extension [Identifier]? {
    fileprivate mutating func append(_ identifier: Identifier) { self = (self ?? []) + [identifier] }
}
