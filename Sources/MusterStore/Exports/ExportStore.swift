public import MusterProtocol
import Postgres

/// An export to start.
public struct NewExport: Sendable {
    public var exportID: String
    public var segmentID: Identifier
    /// SHA-256 of the token in the archive's address.
    public var tokenDigest: [UInt8]
    public var shape: ExportShape

    public init(exportID: String, segmentID: Identifier, tokenDigest: [UInt8], shape: ExportShape) {
        (self.exportID, self.segmentID, self.tokenDigest, self.shape) = (exportID, segmentID, tokenDigest, shape)
    }
}

/// Why an export can't be started or cancelled.
public enum ExportRefusal: Error, Equatable {
    case unknownSegment
    /// Another export of this segment is not done.
    case isBeingExported
    /// The workspace has `Limits.exportsUnfinished` unfinished exports.
    case tooMany
    /// No export of the segment can be cancelled.
    case notBeingExported
}

/// The record of a request that started an export: its name, but not its address, which is a secret.
private struct BegunExport: Codable {
    let objectPrefix: String

    enum CodingKeys: String, CodingKey { case objectPrefix = "object_prefix" }
}

/// The exports of a workspace.
public struct ExportStore: ScopedStore {
    let store: Store
    let scope: WorkspaceScope

    /// Queues an export for any server, and returns its name, or the name recorded for an earlier run of this request.
    /// Throws `ExportRefusal`.
    public func begin(_ export: NewExport, request: IdempotencyKey) async throws -> String {
        try await withIdempotency(request) { transaction in
            // Exports of a workspace start one at a time, so that the limit holds.
            try transaction.lockDefinitions()
            let exists = try transaction.first(
                "SELECT 1 FROM segment WHERE workspace_id = \(workspace) AND segment_id = \(export.segmentID)"
            ) { row in try row.value(0, as: Int32.self) }
            guard exists != nil else { throw ExportRefusal.unknownSegment }
            let unfinished = try transaction.query(
                """
                SELECT segment_id FROM segment_export
                WHERE workspace_id = \(workspace) AND state IN ('waiting', 'running')
                """
            ) { row in try row.value(0, as: Identifier.self) }
            guard !unfinished.contains(export.segmentID) else { throw ExportRefusal.isBeingExported }
            guard unfinished.count < Limits.exportsUnfinished.value else { throw ExportRefusal.tooMany }
            try transaction.execute(
                """
                INSERT INTO segment_export (workspace_id, export_id, segment_id, token_digest, shape, created_at)
                VALUES (\(workspace), \(export.exportID), \(export.segmentID), \(export.tokenDigest),
                    \(JSONB(try JSONEncoding.encode(export.shape))), \(Instant.now))
                """)
            return WriteResult(reply: BegunExport(objectPrefix: export.exportID))
        }.objectPrefix
    }

    /// Cancels the export of a segment that is waiting or running. The server that runs it notices when it next renews
    /// its lease. Throws `ExportRefusal`.
    public func cancel(of segmentID: Identifier, request: IdempotencyKey) async throws -> Done {
        try await withIdempotency(request) { transaction in
            let ended = try transaction.query(
                """
                UPDATE segment_export SET state = 'cancelled', lease_until = NULL, expires_at = \(Instant.now)
                WHERE workspace_id = \(workspace) AND segment_id = \(segmentID) AND state IN ('waiting', 'running')
                RETURNING 1
                """
            ) { row in try row.value(0, as: Int32.self) }
            guard !ended.isEmpty else { throw ExportRefusal.notBeingExported }
            return WriteResult(reply: Done())
        }
    }
}

/// An export that this process works on while it renews the lease.
struct ClaimedExport: Sendable {
    let exportID: String
    let segmentID: Identifier
    let shape: ExportShape
    let attempt: Int32
}

/// Another server has claimed the export, or it was cancelled.
struct LeaseLost: Error {}

/// How long an export stays claimed without a renewal.
let exportLease = Duration.seconds(20)

extension WorkspaceStore {
    /// The exports of the workspace.
    public var exports: ExportStore { ExportStore(store: store, scope: scope) }
}

extension ExportRunner {
    /// Claims the oldest export without a live lease, and deletes chunks that an earlier server left.
    func claim() async throws -> ClaimedExport? {
        try await within(.seconds(30)).transaction { transaction in
            let claimed = try transaction.first(
                """
                UPDATE segment_export SET state = 'running', attempt = attempt + 1, lease_until = \(Instant.now + exportLease)
                WHERE workspace_id = \(workspace) AND export_id = (
                    SELECT export_id FROM segment_export
                    WHERE workspace_id = \(workspace) AND (state = 'waiting'
                        OR (state = 'running' AND lease_until < \(Instant.now)))
                    ORDER BY created_at, export_id LIMIT 1 FOR UPDATE SKIP LOCKED)
                RETURNING export_id, segment_id, shape, attempt
                """
            ) { row in
                ClaimedExport(
                    exportID: try row.value(0), segmentID: try row.value(1),
                    shape: try JSONDecoding.decode(from: try row.value(2, as: JSONB.self).bytes),
                    attempt: try row.value(3))
            }
            if let claimed { try transaction.pruneChunks(of: claimed) }
            return claimed
        }
    }

    /// Renews the lease until it is lost or the task is cancelled.
    func keepLease(of export: ClaimedExport) async throws {
        while true {
            try await Task.sleep(for: exportLease / 4)
            try await within(exportLease / 2).transaction { transaction in
                try transaction.renewLease(of: export)
            }
        }
    }
}

extension WorkspaceTransaction {
    /// Throws `LeaseLost`. Locks the export's row until the transaction ends, so that no other server can claim it.
    borrowing func renewLease(of export: ClaimedExport) throws {
        let kept = try first(
            """
            UPDATE segment_export SET lease_until = \(Instant.now + exportLease)
            WHERE workspace_id = \(workspace) AND export_id = \(export.exportID)
                AND attempt = \(export.attempt) AND state = 'running'
            RETURNING 1
            """
        ) { row in try row.value(0, as: Int32.self) }
        if kept == nil { throw LeaseLost() }
    }

    borrowing func pruneChunks(of export: ClaimedExport) throws {
        try execute(
            """
            DELETE FROM export_chunk
            WHERE workspace_id = \(workspace) AND export_id = \(export.exportID)
            """)
    }
}
