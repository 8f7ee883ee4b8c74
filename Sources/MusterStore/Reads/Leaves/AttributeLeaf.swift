import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// The users whose attribute passes a test. Values are compared in one place, `AttributeTest`, for sets and checks
/// alike. The head of attributes has a log of who changed, by which a set is brought on.
extension AttributeFilter: ComputedLeaf {
    static var head: Int32 { SetKey.attributes }
    static var isKeptForChecks: Bool { true }
    var filter: Filter { .attribute(self) }

    /// Reads the values of all users who have the attribute: the slowest thing that a read does.
    static func scan(
        _ leaves: [AttributeFilter], now: Instant, in transaction: borrowing WorkspaceTransaction
    ) throws -> [AttributeFilter: ComputedSet] {
        let names = Array(Set(leaves.map(\.name))).sorted()
        var matching = Dictionary(uniqueKeysWithValues: leaves.map { ($0, [UInt32]()) })
        try transaction.forEach(
            """
            SELECT n.position, array_send(array_agg(u.user_number)), jsonb_build_object('v', jsonb_agg(u.attributes -> n.name))
            FROM unnest(\(names)) WITH ORDINALITY n (name, position)
            CROSS JOIN LATERAL (
                SELECT x.user_number, x.attributes FROM registered_user x
                WHERE x.workspace_id = \(transaction.workspace) AND x.attributes ? n.name OFFSET 0) u
            GROUP BY n.position, u.user_number >> 13
            """
        ) { row in
            let values = try AttributeValues(row)
            try values.addMatches(of: leaves.filter { $0.name == names[values.position] }, to: &matching)
        }
        return matching.mapValues { ComputedSet(members: MemberSet($0)) }
    }

    /// Reads the values of the users who changed since. Possible only where the log has every version since the known
    /// one, in the same history, and few enough users.
    static func advance(
        _ known: [AttributeFilter: LeafSet], maxUsers: Int?, in transaction: borrowing WorkspaceTransaction
    ) throws -> [AttributeFilter: ComputedSet] {
        let starts = Dictionary(grouping: known.keys) { AttributeStart(name: $0.name, from: known[$0]?.at ?? .none) }
        let order = Array(starts.keys)
        var changed: [Int: [UInt32]] = [:]
        var matching = known.mapValues { _ in [UInt32]() }
        try transaction.forEach(statement(order, maxUsers: maxUsers, in: transaction.workspace)) { row in
            let values = try AttributeValues(row)
            changed[values.position, default: []] += values.numbers.map { UInt32(clamping: $0) }
            try values.addMatches(of: starts[order[values.position]] ?? [], to: &matching)
        }
        var sets: [AttributeFilter: ComputedSet] = [:]
        for (position, users) in changed {
            let removed = MemberSet(users)
            for leaf in starts[order[position]] ?? [] {
                guard var members = known[leaf]?.members else { continue }
                members.apply(added: MemberSet(matching[leaf] ?? []), removed: removed)
                sets[leaf] = ComputedSet(members: members)
            }
        }
        return sets
    }

    static func passing(
        _ leaves: [AttributeFilter], among users: [UserNumber], now: Instant,
        in transaction: borrowing WorkspaceTransaction
    ) throws -> [AttributeFilter: MemberSet] {
        var passing = Dictionary(uniqueKeysWithValues: leaves.map { ($0, [UInt32]()) })
        let tests = leaves.map { (leaf: $0, test: AttributeTest($0)) }
        try transaction.forEach(
            """
            SELECT w.user_number, u.attributes FROM unnest(\(users)) w (user_number)
            CROSS JOIN LATERAL (
                SELECT x.attributes FROM registered_user x
                WHERE x.workspace_id = \(transaction.workspace) AND x.user_number = w.user_number LIMIT 1) u
            """
        ) { row in
            let (number, attributes) = (try row.value(0, as: UserNumber.self), try row.value(1, as: JSONB.self))
            try attributes.bytes.withUnsafeBytes { bytes in
                try AttributeTest.readers.read(bytes) { object in
                    for field in try object.fields() {
                        for (leaf, test) in tests
                        where field.name.withUnsafeBytes({ $0.elementsEqual(leaf.name.bytes) })
                            && test.matches(field.value)
                        {
                            passing[leaf]?.append(number.rawValue)
                        }
                    }
                }
            }
        }
        return passing.mapValues { MemberSet($0) }
    }

    /// The users who changed since each start, with NULL for the value of those who don't have the attribute or are no
    /// more. There are rows, be it one without users, only where the log reaches back.
    private static func statement(
        _ starts: [AttributeStart], maxUsers: Int?, in workspace: WorkspaceID
    ) -> SQL {
        """
        SELECT n.position, array_send(array_agg(c.user_number) FILTER (WHERE c.user_number IS NOT NULL)),
            jsonb_build_object('v', jsonb_agg(u.attributes -> n.name))
        FROM unnest(\(starts.map(\.name)), \(starts.map(\.from.version)), \(starts.map(\.from.tag)))
            WITH ORDINALITY n (name, version, tag, position)
        CROSS JOIN LATERAL (
            SELECT h.version - n.version behind, h.tag, least(\(Int64(maxUsers ?? .max)), \(raw: AttributeLog.maxUsers)) most
            FROM set_head h, set_head e
            WHERE h.workspace_id = \(workspace) AND h.set_number = 1 AND e.workspace_id = \(workspace) AND e.set_number = 0
            LIMIT 1) h
        CROSS JOIN LATERAL (
            SELECT FROM (
                SELECT y.version, y.previous_tag, cardinality(y.user_numbers) users FROM attribute_change y
                WHERE y.workspace_id = \(workspace) AND y.version > n.version AND h.behind BETWEEN 1 AND h.most
                OFFSET 0) y
            HAVING count(*) = h.behind AND coalesce(sum(y.users), 0) <= h.most
                AND coalesce(max(y.previous_tag) FILTER (WHERE y.version = n.version + 1), h.tag) = n.tag) proved
        LEFT JOIN LATERAL (
            SELECT y.user_number, row_number() OVER () >> 13 part FROM (
                SELECT DISTINCT unnest(y.user_numbers) user_number FROM attribute_change y
                WHERE y.workspace_id = \(workspace) AND y.version > n.version) y
            OFFSET 0) c ON true
        LEFT JOIN LATERAL (
            SELECT x.attributes FROM registered_user x
            WHERE x.workspace_id = \(workspace) AND x.user_number = c.user_number LIMIT 1) u ON true
        GROUP BY n.position, c.part
        """
    }
}

/// An attribute, and the version from which its sets are brought on.
private struct AttributeStart: Hashable {
    let name: Identifier
    let from: SetVersion
}

/// A row of up to 2^13 users and, in the same order, their values of one attribute.
private struct AttributeValues {
    let position: Int
    let numbers: [Int32]
    private let values: JSONB

    private enum Column: Int { case position, numbers, values }

    init(_ row: borrowing Row) throws {
        position = Int(try row.value(Column.position, as: Int64.self)) - 1
        numbers = try row.withBytes(Column.numbers.rawValue) { bytes in
            try bytes.map { try [Int32](postgres: $0) } ?? []
        }
        values = try row.value(Column.values)
    }

    func addMatches(
        of leaves: [AttributeFilter], to matching: inout [AttributeFilter: [UInt32]]
    ) throws {
        guard !numbers.isEmpty else { return }
        let found = try values.bytes.withUnsafeBytes { bytes in
            try AttributeTest.readers.read(bytes) { document in
                let elements = try document.field("v")?.elements()
                return leaves.map { leaf in matches(of: AttributeTest(leaf), in: elements) }
            }
        }
        for (leaf, numbers) in zip(leaves, found) { matching[leaf, default: []] += numbers }
    }

    private func matches(of test: AttributeTest, in values: JSONElements?) -> [UInt32] {
        guard let values else { return [] }
        var matching: [UInt32] = []
        for (number, value) in zip(numbers, values) where test.matches(value) {
            matching.append(UInt32(clamping: number))
        }
        return matching
    }
}
