import MusterProtocol
import Postgres

extension WorkspaceMaintenance {
    /// Deletes expired data, each kind in a transaction of its own, so that one failure does not stop the others.
    /// Throws the first failure.
    func prune(_ retention: Retention, report: inout MaintenanceReport) async throws {
        let now = Instant.now
        let requests = now - .days(Limits.requestIDDays.value)
        var pass = PruningPass(maintenance: self)
        report.listingsEnded += await pass.prune { transaction in
            try transaction.endListings(before: now)
        }
        report.exportsEnded += await pass.prune { transaction in
            try transaction.endArchives(before: now)
        }
        report.exportsPruned += await pass.prune { transaction in
            try transaction.pruneExports(before: now - .days(Limits.exportStateDays.value))
        }
        report.requestsPruned += await pass.prune { transaction in
            try transaction.pruneRequests(before: requests)
        }
        report.receiptsPruned += await pass.prune { transaction in
            try transaction.pruneReceiptsOfEndedSets(before: requests)
        }
        report.attributeChangesPruned += await pass.prune { transaction in
            try transaction.pruneAttributeChanges()
        }
        report.definitionChangesPruned += await pass.prune { transaction in
            try transaction.pruneDefinitionChanges()
        }
        report.identifierChangesPruned += await pass.prune { transaction in
            try transaction.pruneIdentifierChanges(before: now - IdentifierLog.kept)
        }
        if retention.historyDays > 0 {
            let history = now - .days(retention.historyDays)
            report.receiptsPruned += await pass.prune { transaction in
                // Repeats of an import are recognized by its receipt.
                try transaction.pruneReceipts(before: min(history, requests))
            }
            report.changesPruned += await pass.prune { transaction in
                try transaction.pruneChanges(before: history)
            }
        }
        if let failure = pass.failure { throw failure }
    }
}

/// Runs the deletions in one workspace, one after the other, and keeps the first failure.
private struct PruningPass {
    let maintenance: WorkspaceMaintenance
    var failure: (any Error)?

    /// - Returns: the number of deleted rows; 0 after a failure.
    mutating func prune(_ body: @escaping @Sendable (borrowing WorkspaceTransaction) throws -> Int) async -> Int {
        do {
            return try await maintenance.within(.seconds(30)).transaction(body)
        } catch {
            failure = failure ?? error
            return 0
        }
    }
}

extension WorkspaceTransaction {
    /// The limit of rows in one pass, so that no transaction of maintenance is long.
    private static var max: Int64 { 10_000 }

    /// Deletes fewer rows, since a listing's members may take a megabyte.
    fileprivate borrowing func endListings(before time: Instant) throws -> Int {
        try query(
            """
            DELETE FROM set_head WHERE workspace_id = \(workspace) AND kind = 'listing' AND set_number IN (
                SELECT set_number FROM set_head
                WHERE workspace_id = \(workspace) AND expires_at < \(time) ORDER BY expires_at LIMIT 1000)
            RETURNING 1
            """
        ) { row in try row.value(0, as: Int32.self) }.count
    }

    /// Deletes only a few archives in one pass, since one may be large. Their exports stay, so that late callers learn
    /// that the archives have expired.
    ///
    /// - Returns: the number of deleted archives.
    fileprivate borrowing func endArchives(before time: Instant) throws -> Int {
        Set(
            try query(
                """
                DELETE FROM export_chunk WHERE workspace_id = \(workspace) AND export_id IN (
                    SELECT e.export_id FROM segment_export e
                    WHERE e.workspace_id = \(workspace) AND e.expires_at < \(time) AND EXISTS (
                        SELECT FROM export_chunk c WHERE c.workspace_id = \(workspace) AND c.export_id = e.export_id)
                    LIMIT 10)
                RETURNING export_id
                """
            ) { row in try row.value(0, as: String.self) }
        ).count
    }

    fileprivate borrowing func pruneExports(before time: Instant) throws -> Int {
        try query(
            """
            DELETE FROM segment_export WHERE workspace_id = \(workspace) AND export_id IN (
                SELECT export_id FROM segment_export
                WHERE workspace_id = \(workspace) AND expires_at < \(time) LIMIT 1000)
            RETURNING 1
            """
        ) { row in try row.value(0, as: Int32.self) }.count
    }

    /// Deletes recorded answers.
    fileprivate borrowing func pruneRequests(before time: Instant) throws -> Int {
        try query(
            """
            DELETE FROM request_record WHERE workspace_id = \(workspace) AND (method, request_id) IN (
                SELECT method, request_id FROM request_record
                WHERE workspace_id = \(workspace) AND recorded_at < \(time) ORDER BY recorded_at LIMIT \(Self.max))
            RETURNING 1
            """
        ) { row in try row.value(0, as: Int32.self) }.count
    }

    /// Deletes all receipts of cohorts that were deleted before `time`: the receipts are older still. Also deletes the
    /// records of ended sets without remaining receipts.
    fileprivate borrowing func pruneReceiptsOfEndedSets(before time: Instant) throws -> Int {
        let ended = try query(
            """
            SELECT set_number FROM ended_set WHERE workspace_id = \(workspace) AND ended_at < \(time)
            ORDER BY ended_at LIMIT 1000
            """
        ) { row in try row.value(0, as: Int32.self) }
        guard !ended.isEmpty else { return 0 }
        let receipts = try query(
            """
            DELETE FROM cohort_import WHERE workspace_id = \(workspace) AND (set_number, version) IN (
                SELECT i.set_number, i.version FROM unnest(\(ended)) e (set_number)
                CROSS JOIN LATERAL (
                    SELECT x.set_number, x.version FROM cohort_import x
                    WHERE x.workspace_id = \(workspace) AND x.set_number = e.set_number
                    ORDER BY x.version LIMIT \(Self.max)) i
                LIMIT \(Self.max))
            RETURNING 1
            """
        ) { row in try row.value(0, as: Int32.self) }
        try execute(
            """
            DELETE FROM ended_set e WHERE e.workspace_id = \(workspace) AND e.set_number = ANY (\(ended))
                AND NOT EXISTS (
                    SELECT FROM cohort_import i WHERE i.workspace_id = \(workspace) AND i.set_number = e.set_number)
            """)
        return receipts.count
    }

    /// Deletes the oldest receipts of all cohorts; each cohort keeps the time of its newest deleted receipt.
    fileprivate borrowing func pruneReceipts(before time: Instant) throws -> Int {
        try first(
            """
            WITH gone AS (
                DELETE FROM cohort_import WHERE workspace_id = \(workspace) AND (set_number, version) IN (
                    SELECT set_number, version FROM cohort_import
                    WHERE workspace_id = \(workspace) AND imported_at < \(time) ORDER BY imported_at LIMIT \(Self.max))
                RETURNING set_number, imported_at
            ), newest AS (
                SELECT set_number, max(imported_at) AS imported_at FROM gone GROUP BY set_number
            ), kept AS (
                UPDATE cohort c SET forgotten_import_at = greatest(c.forgotten_import_at, n.imported_at) FROM newest n
                WHERE c.workspace_id = \(workspace) AND c.set_number = n.set_number
            )
            SELECT count(*) FROM gone
            """
        ) { row in Int(try row.value(0, as: Int64.self)) } ?? 0
    }

    /// Deletes only changes in the snapshot, which the set itself never needs. Deletes only from the start of a log:
    /// times come from different machines and may not ascend, and verification would report a gap as damage.
    fileprivate borrowing func pruneChanges(before time: Instant) throws -> Int {
        try query(
            """
            DELETE FROM set_change c USING (
                SELECT x.set_number, x.version FROM set_snapshot s
                LEFT JOIN LATERAL (
                    SELECT y.version FROM set_change y
                    WHERE y.workspace_id = \(workspace) AND y.set_number = s.set_number AND y.changed_at >= \(time)
                    ORDER BY y.version LIMIT 1
                ) kept ON true
                JOIN set_change x ON x.workspace_id = \(workspace) AND x.set_number = s.set_number
                    AND x.version <= s.version AND x.version < coalesce(kept.version, s.version + 1)
                WHERE s.workspace_id = \(workspace)
                ORDER BY x.set_number, x.version LIMIT \(Self.max)
            ) old
            WHERE c.workspace_id = \(workspace) AND c.set_number = old.set_number AND c.version = old.version
            RETURNING 1
            """
        ) { row in try row.value(0, as: Int32.self) }.count
    }
}
