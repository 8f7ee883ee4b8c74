import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// The users whose events or purchases pass a test. A leaf is one aggregate over the rows that count, of all users for
/// its set and of one user for a check; both ask PostgreSQL the same question, so that they can't answer differently.
///
/// A set goes by the index that is led by the name, a check by the primary key, which is led by the user; either skips
/// the months that lie outside of the leaf's window. The order that is asked for is that of the index which is meant,
/// and costs nothing there: a new month is empty, all indexes look alike to the planner, and it stays with its choice
/// while the month fills (tried: a check went through all purchases for each user).
extension EventLeaf: ComputedLeaf {
    static var head: Int32 { SetKey.events }

    var filter: Filter {
        switch self {
        case .event(let event): .event(event)
        case .purchase(let purchase): .purchase(purchase)
        }
    }

    static func scan(
        _ leaves: [EventLeaf], now: Instant, in transaction: borrowing WorkspaceTransaction
    ) throws -> [EventLeaf: ComputedSet] {
        var scans = Dictionary(uniqueKeysWithValues: leaves.map { ($0, EventScan()) })
        for tests in EventTestsOfTable.grouping(leaves, now: now) {
            var sql: SQL = """
                SELECT f.position, (extract(epoch FROM min(u.earliest)) * 1000000)::int8,
                    array_send(array_agg(u.user_number) FILTER (WHERE u.differs))
                """
            sql += " FROM "
            sql += tests.rows
            sql += " CROSS JOIN LATERAL (SELECT e.user_number, min(e.occurred_at) earliest, "
            sql += tests.differs
            sql += " differs FROM ("
            sql += tests.counted(in: transaction.workspace)
            sql += tests.orderByName
            sql += " OFFSET 0) e GROUP BY e.user_number OFFSET 0) u GROUP BY f.position, u.user_number >> 13"
            try transaction.forEach(sql) { row in
                let leaf = leaves[Int(try row.value(0, as: Int64.self))]
                let numbers: [Int32] = try row.withBytes(2) { bytes in
                    try bytes.map { try [Int32](postgres: $0) } ?? []
                }
                scans[leaf, default: EventScan()].add(numbers, Instant(microseconds: try row.value(1)))
            }
        }
        return Dictionary(uniqueKeysWithValues: scans.map { leaf, scan in (leaf, scan.set(of: leaf, now)) })
    }

    static func passing(
        _ leaves: [EventLeaf], among users: [UserNumber], now: Instant, in transaction: borrowing WorkspaceTransaction
    ) throws -> [EventLeaf: MemberSet] {
        var passing = Dictionary(uniqueKeysWithValues: leaves.map { ($0, [UInt32]()) })
        for tests in EventTestsOfTable.grouping(leaves, now: now) {
            var sql: SQL = "SELECT f.position, u.user_number FROM unnest(\(users)) u (user_number) CROSS JOIN "
            sql += tests.rows
            sql += " CROSS JOIN LATERAL (SELECT 1 FROM ("
            sql += tests.counted(in: transaction.workspace)
            sql += " AND e.user_number = u.user_number"
            sql += tests.orderByUser
            sql += " OFFSET 0) e HAVING count(*) > 0 AND "
            sql += tests.differs
            sql += ") p"
            try transaction.forEach(sql) { row in
                let leaf = leaves[Int(try row.value(0, as: Int64.self))]
                passing[leaf, default: []].append(try row.value(1, as: UserNumber.self).rawValue)
            }
        }
        return passing.mapValues { MemberSet($0) }
    }
}

extension EventLeaf {
    /// What leaves count of one user.
    static func activity(
        _ leaves: [EventLeaf], of user: UserNumber, now: Instant, in transaction: borrowing WorkspaceTransaction
    ) throws -> [EventLeaf: CountedActivity] {
        var activity: [EventLeaf: CountedActivity] = [:]
        for tests in EventTestsOfTable.grouping(leaves, now: now) {
            var sql: SQL = "SELECT f.position, p.count, p.amount, p.last FROM "
            sql += tests.rows
            sql += " CROSS JOIN LATERAL (SELECT count(*) count, max(e.occurred_at) last, "
            sql += tests.amount
            sql += " amount FROM ("
            sql += tests.counted(in: transaction.workspace)
            sql += " AND e.user_number = \(user)"
            sql += tests.orderByUser
            sql += " OFFSET 0) e) p"
            try transaction.forEach(sql) { row in
                let count: Int = try row.value(1)
                let amount = try row.value(2, as: Int64?.self).map { Amount(millionths: $0).units }
                activity[leaves[Int(try row.value(0, as: Int64.self))]] = CountedActivity(
                    count: count, totalSpent: amount, lastAt: try row.value(3))
            }
        }
        return activity
    }
}

/// What the rows of a scan of events came to.
private struct EventScan {
    private var numbers: [UInt32] = []
    private var earliest = Instant.latest

    mutating func add(_ more: [Int32], _ time: Instant) {
        numbers += more.map { UInt32(clamping: $0) }
        earliest = min(earliest, time)
    }

    /// A window of the last days only ever leaves events behind, the earliest first; new ones raise the head.
    func set(of leaf: EventLeaf, _ now: Instant) -> ComputedSet {
        var set = ComputedSet(members: MemberSet(numbers))
        if let days = leaf.withinDays { set.holds = (now, earliest + .days(days)) }
        return set
    }
}

/// Leaves over one table, each with its position among all.
private struct EventTestsOfTable {
    private let table: EventTest.Table
    private var tests: [EventTest] = []
    private var positions: [Int64] = []

    static func grouping(_ leaves: [EventLeaf], now: Instant) -> [EventTestsOfTable] {
        var groups: [EventTest.Table: EventTestsOfTable] = [:]
        for (position, leaf) in leaves.enumerated() {
            let test = EventTest(leaf, now: now)
            groups[test.table, default: Self(table: test.table)].add(test, Int64(position))
        }
        return Array(groups.values)
    }

    private init(table: EventTest.Table) { self.table = table }

    private mutating func add(_ test: EventTest, _ position: Int64) {
        tests.append(test)
        positions.append(position)
    }

    /// The tests as rows.
    var rows: SQL {
        """
        unnest(\(positions), \(tests.map(\.name)), \(tests.map(\.currency)), \(tests.map(\.after)), \(tests.map(\.before)),
            \(tests.map(\.count.low)), \(tests.map(\.count.high)), \(tests.map(\.count.isNegated)),
            \(tests.map(\.total.low)), \(tests.map(\.total.high)), \(tests.map(\.total.isNegated)),
            \(tests.map(\.lastFrom)), \(tests.map(\.lastTo)), \(tests.map(\.passesWithoutAny)))
            f (position, name, currency, starts_after, ends_before, count_low, count_high, count_negated, total_low, total_high,
            total_negated, last_from, last_to, passes_without)
        """
    }

    /// Whether a user's rows give another answer than none would.
    var differs: SQL {
        switch table {
        case .events: "((count(*) BETWEEN f.count_low AND f.count_high) <> f.count_negated) <> f.passes_without"
        case .purchases, .purchasesOfProduct:
            """
            ((count(*) BETWEEN f.count_low AND f.count_high) <> f.count_negated
                AND (\(raw: EventSQL.sum) BETWEEN f.total_low AND f.total_high) <> f.total_negated
                AND max(e.occurred_at) BETWEEN f.last_from AND f.last_to) <> f.passes_without
            """
        }
    }

    /// The sum of the amounts; NULL for events, which have none.
    var amount: SQL {
        // Without rows the bounds of the sum would be all that there is.
        table == .events ? "NULL::int8" : "CASE WHEN count(*) = 0 THEN 0 ELSE \(raw: EventSQL.sum) END"
    }

    /// The rows that count, as `e`.
    func counted(in workspace: WorkspaceID) -> SQL {
        switch table {
        case .events:
            """
            SELECT e.user_number, e.occurred_at FROM user_event e
            WHERE e.workspace_id = \(workspace) AND e.name = f.name AND e.occurred_at > f.starts_after
                AND e.occurred_at < f.ends_before
            """
        case .purchasesOfProduct:
            """
            SELECT e.user_number, e.occurred_at, e.amount_millionths FROM user_purchase e
            WHERE e.workspace_id = \(workspace) AND e.product_id = f.name AND e.occurred_at > f.starts_after
                AND e.occurred_at < f.ends_before AND (f.currency = '' OR e.currency = f.currency)
            """
        case .purchases:
            """
            SELECT e.user_number, e.occurred_at, e.amount_millionths FROM user_purchase e
            WHERE e.workspace_id = \(workspace) AND e.occurred_at > f.starts_after
                AND e.occurred_at < f.ends_before AND (f.currency = '' OR e.currency = f.currency)
            """
        }
    }

    var orderByName: SQL {
        table == .events ? " ORDER BY e.name, e.occurred_at" : " ORDER BY e.product_id, e.occurred_at"
    }

    var orderByUser: SQL {
        table == .events
            ? " ORDER BY e.name, e.occurred_at, e.version, e.place"
            : " ORDER BY e.product_id, e.occurred_at, e.version, e.place"
    }
}
