public import MusterProtocol
import Postgres

extension SegmentStore {
    /// The recorded sizes of `length` days, the last of them the day of `end` (UTC), oldest first. Nil if there is no
    /// such segment.
    public func dailySizes(of id: Identifier, endingAt end: Instant, length: Int) async throws -> [DailySize]? {
        let (first, last) = ((end - .days(length - 1)).day, end.day)
        return try await readTransaction { transaction in
            let exists = try transaction.first(
                "SELECT 1 FROM segment WHERE workspace_id = \(workspace) AND segment_id = \(id)"
            ) { row in try row.value(0, as: Int32.self) }
            guard exists != nil else { return nil }
            return try transaction.query(
                """
                SELECT to_char(day, 'YYYY-MM-DD'), size FROM segment_size
                WHERE workspace_id = \(workspace) AND segment_id = \(id)
                    AND day BETWEEN \(first)::date AND \(last)::date
                ORDER BY day
                """
            ) { row in DailySize(time: try row.value(0), size: try row.value(1)) }
        }
    }
}

extension Instant {
    /// The day in UTC, such as `2026-11-23`.
    var day: String { String(iso8601.prefix { $0 != "T" }) }
}
