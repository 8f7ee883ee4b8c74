import Locking
import Logging
import MusterProtocol
import Postgres

/// Segments whose size is recorded in one maintenance pass: each may scan the attributes of all users.
private let maxRecordedAtOnce = 20

extension WorkspaceMaintenance {
    /// Records the sizes of some segments that have none for the day of `now` yet, and returns how many. The next pass
    /// continues after them, so that segments that can't be counted don't block the others. If several servers count at
    /// once, the first write is kept.
    func recordSizes(at now: Instant) async throws -> Int {
        var recorded = 0
        let last = store.segmentsSized.withLock { $0[workspace] }
        let ids = try await segmentsWithoutSize(of: now.day, after: last)
        store.segmentsSized.withLock { $0[workspace] = ids.count < maxRecordedAtOnce ? nil : ids.last }
        for id in ids {
            let size: Int?
            do { size = try await countedSize(of: id) } catch {
                if Task.isCancelled { throw error }
                // A segment that can't be counted must not stop the others.
                store.logger.warning("The size of a segment could not be recorded", metadata: ["cause": "\(error)"])
                continue
            }
            guard let size else { continue }
            let rows = try await within(.seconds(10)).transaction { transaction in
                try transaction.query(
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

    private func segmentsWithoutSize(of day: String, after last: Identifier?) async throws -> [Identifier] {
        try await within(.seconds(10)).read(
            """
            SELECT s.segment_id FROM segment s
            WHERE s.workspace_id = \(workspace) AND s.segment_id > \(last ?? "") AND NOT EXISTS (
                SELECT FROM segment_size z
                WHERE z.workspace_id = \(workspace) AND z.segment_id = s.segment_id AND z.day = \(day)::date)
            ORDER BY s.segment_id LIMIT \(Int64(maxRecordedAtOnce))
            """
        ) { row in try row.value(0) }
    }

    /// Nil if the segment was deleted meanwhile.
    private func countedSize(of id: Identifier) async throws -> Int? {
        do {
            return try await within(.seconds(60)).stores.audience.size(of: .segments([id]), withNodes: false).size
        } catch is FilterFault {
            return nil
        }
    }
}
