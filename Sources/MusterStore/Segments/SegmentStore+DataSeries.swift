import Logging
public import MusterProtocol
import Postgres

/// Segments whose day is recorded in one round of upkeep: each may scan the attributes of all users.
private let mostRecordedAtOnce = 20

extension Store {
    /// The recorded sizes of the `length` days up to that of `end` (UTC), oldest first; nil where there is no such segment.
    public func dailySizes(
        of id: Identifier, endingAt end: Instant, length: Int, in workspace: WorkspaceID,
        deadline: ContinuousClock.Instant
    ) async throws -> [DailySize]? {
        let (first, last) = ((end - .days(length - 1)).day, end.day)
        return try await readTransaction(in: workspace, deadline: deadline) { connection in
            let exists = try connection.first(
                "SELECT 1 FROM segment WHERE workspace_id = \(workspace) AND segment_id = \(id)"
            ) { row in try row.value(0, as: Int32.self) }
            guard exists != nil else { return nil }
            return try connection.query(
                """
                SELECT to_char(day, 'YYYY-MM-DD'), size FROM segment_size
                WHERE workspace_id = \(workspace) AND segment_id = \(id)
                    AND day BETWEEN \(first)::date AND \(last)::date
                ORDER BY day
                """
            ) { row in DailySize(time: try row.value(0), size: try row.value(1)) }
        }
    }

    /// Records the sizes of some segments that have none of the day of `now` yet, and returns how many. The next round goes on after
    /// them, so that some that can't be counted don't keep the others from their turn. Of servers that count at once the first to
    /// write is believed.
    func recordSizes(in workspace: WorkspaceID, at now: Instant) async throws -> Int {
        var recorded = 0
        let last = segmentsSized.withLock { $0[workspace] }
        let ids = try await segmentsWithoutSize(of: now.day, after: last, in: workspace)
        segmentsSized.withLock { $0[workspace] = ids.count < mostRecordedAtOnce ? nil : ids.last }
        for id in ids {
            let size: Int?
            do { size = try await countedSize(of: id, in: workspace) } catch {
                if Task.isCancelled { throw error }
                // Of one that can't be counted: the others are not to go without.
                logger.warning("The size of a segment could not be recorded", metadata: ["cause": "\(error)"])
                continue
            }
            guard let size else { continue }
            let rows = try await transaction(in: workspace, deadline: .now + .seconds(10)) { connection in
                try connection.query(
                    """
                    INSERT INTO segment_size (workspace_id, segment_id, day, size, recorded_at)
                    SELECT \(workspace), s.segment_id, \(now.day)::date, \(Int64(size)), \(now) FROM segment s
                    WHERE s.workspace_id = \(workspace) AND s.segment_id = \(id)
                    ON CONFLICT DO NOTHING RETURNING 1
                    """
                ) { row in try row.value(0, as: Int32.self) }
            }
            recorded += rows.count
        }
        return recorded
    }

    private func segmentsWithoutSize(
        of day: String, after last: Identifier?, in workspace: WorkspaceID
    ) async throws -> [Identifier] {
        try await read(
            in: workspace, deadline: .now + .seconds(10),
            """
            SELECT s.segment_id FROM segment s
            WHERE s.workspace_id = \(workspace) AND s.segment_id > \(last ?? "") AND NOT EXISTS (
                SELECT FROM segment_size z
                WHERE z.workspace_id = \(workspace) AND z.segment_id = s.segment_id AND z.day = \(day)::date)
            ORDER BY s.segment_id LIMIT \(Int64(mostRecordedAtOnce))
            """
        ) { row in try row.value(0) }
    }

    /// Nil for a segment that went meanwhile.
    private func countedSize(of id: Identifier, in workspace: WorkspaceID) async throws -> Int? {
        do {
            return try await size(
                of: .segments([id]), in: workspace, withNodes: false,
                options: ReadOptions(deadline: .now + .seconds(60))
            ).size
        } catch is FilterFault {
            return nil
        }
    }
}

extension Instant {
    /// The day in UTC, such as `2026-11-23`.
    var day: String { String(iso8601.prefix { $0 != "T" }) }
}
