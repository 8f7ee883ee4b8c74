public import MusterProtocol
import Postgres

/// The last segment of a page, after which the next page begins.
public struct SegmentPosition: Codable, Sendable, Equatable {
    public var segmentID: Identifier
    public var createdAt: Instant

    enum CodingKeys: String, CodingKey {
        case segmentID = "s"
        case createdAt = "c"
    }

    /// The position after this segment.
    public init(_ segment: SegmentInfo) {
        (segmentID, createdAt) = (segment.segmentID, segment.createdAt)
    }
}

extension SegmentStore {
    /// Lists segments in `order`, after a position.
    public func list(
        nameContains: String?, order: SegmentOrder, after: SegmentPosition?, skip: Int, limit: Int
    ) async throws -> [SegmentInfo] {
        let pattern = nameContains.map { NamePattern($0).text }
        var sql: SQL = """
            SELECT segment_id, name, filter, version, created_at, updated_at FROM segment
            WHERE workspace_id = \(workspace)
                AND (\(pattern) IS NULL OR name COLLATE "C" ~ \(pattern))
            """
        if let after { sql += order.following(after) }
        sql += order.clause
        sql += " LIMIT \(Int64(limit)) OFFSET \(Int64(skip))"
        return try await read(sql) { row in try SegmentInfo(row) }
    }
}

extension SegmentOrder {
    fileprivate var clause: SQL {
        switch self {
        case .segmentID: " ORDER BY segment_id"
        case .oldestFirst: " ORDER BY created_at, segment_id"
        case .newestFirst: " ORDER BY created_at DESC, segment_id DESC"
        }
    }

    fileprivate func following(_ last: SegmentPosition) -> SQL {
        switch self {
        case .segmentID: " AND segment_id > \(last.segmentID)"
        case .oldestFirst: " AND (created_at, segment_id) > (\(last.createdAt), \(last.segmentID))"
        case .newestFirst: " AND (created_at, segment_id) < (\(last.createdAt), \(last.segmentID))"
        }
    }
}
