import MusterProtocol
import MusterUsers
import Postgres

/// A user's events, or purchases, of one name.
struct EventSummary: Sendable, Equatable {
    /// The event's name, or the product's id.
    let name: Identifier
    let first: Instant
    let last: Instant
    /// For purchases: the number of purchases, not of items.
    let count: Int
}

/// A summary of all events and purchases of a user.
struct EventSummaries: Sendable, Equatable {
    /// By name.
    var events: [EventSummary] = []
    /// By product id.
    var purchases: [EventSummary] = []
    /// Of all purchases; amounts of different currencies are added without conversion.
    var totalRevenue = Amount(millionths: 0)
}

extension UserStore {
    /// Summaries of the users' events and purchases; users that have neither are left out.
    func eventSummaries(
        of userNumbers: [UserNumber]
    ) async throws -> [UserNumber: EventSummaries] {
        try await readTransaction { transaction in
            try transaction.eventSummaries(of: userNumbers)
        }
    }
}

extension WorkspaceTransaction {
    /// Summaries of the users' events and purchases at one moment; users that have neither are left out.
    ///
    /// Follows the primary key's order, so that the planner uses its index even while it believes the tables empty.
    borrowing func eventSummaries(
        of userNumbers: [UserNumber]
    ) throws -> [UserNumber: EventSummaries] {
        guard !userNumbers.isEmpty else { return [:] }
        var summaries: [UserNumber: EventSummaries] = [:]
        try forEach(
            """
            SELECT false, n.user_number, s.name, s.first, s.last, s.count, 0::int8
            FROM unnest(\(userNumbers)) n (user_number) CROSS JOIN LATERAL (
                SELECT e.name, min(e.occurred_at) first, max(e.occurred_at) last, count(*) count FROM (
                    SELECT x.name, x.occurred_at FROM user_event x
                    WHERE x.workspace_id = \(workspace) AND x.user_number = n.user_number
                    ORDER BY x.name, x.occurred_at, x.version, x.place OFFSET 0) e
                GROUP BY e.name) s
            UNION ALL
            SELECT true, n.user_number, s.product_id, s.first, s.last, s.count, s.amount
            FROM unnest(\(userNumbers)) n (user_number) CROSS JOIN LATERAL (
                SELECT e.product_id, min(e.occurred_at) first, max(e.occurred_at) last, count(*) count,
                    \(raw: EventSQL.sum) amount FROM (
                    SELECT x.product_id, x.occurred_at, x.amount_millionths FROM user_purchase x
                    WHERE x.workspace_id = \(workspace) AND x.user_number = n.user_number
                    ORDER BY x.product_id, x.occurred_at, x.version, x.place OFFSET 0) e
                GROUP BY e.product_id) s
            ORDER BY 2, 1, 3
            """
        ) { row in
            let summary = EventSummary(
                name: try row.value(2), first: try row.value(3), last: try row.value(4), count: try row.value(5))
            let user: UserNumber = try row.value(1)
            if try row.value(0) {
                summaries[user, default: .init()].add(purchase: summary, Amount(millionths: try row.value(6)))
            } else {
                summaries[user, default: .init()].events.append(summary)
            }
        }
        return summaries
    }
}

/// Parts of statements over events and purchases.
enum EventSQL {
    /// The sum of amounts as int8. A sum out of range is clamped: thousands of purchases of a billion each must not
    /// make a statement over all users fail.
    static let sum: StaticString =
        "greatest(least(sum(e.amount_millionths), 9223372036854775807), -9223372036854775807)::int8"
}

extension EventSummaries {
    fileprivate mutating func add(purchase: EventSummary, _ amount: Amount) {
        purchases.append(purchase)
        totalRevenue = totalRevenue.adding(amount)
    }
}
