import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// An archive to check, since a user was erased or merged after its last check.
private struct ExportToCheck: Sendable {
    let exportID: String
    /// The stored listing of the users in the archive.
    let users: Int32
    /// The version of the head of identity, read before the users are checked.
    let counter: Int64
}

extension WorkspaceMaintenance {
    /// Deletes the archives that contain a user erased since, and returns how many.
    ///
    /// Erasures leave this to maintenance: an erasure blocks every import of the workspace, and searching the listings
    /// of all archives takes longer than the erasure. Until this check has run, the archive can't be downloaded.
    func endOutdatedExports() async throws -> Int {
        var ended = 0
        var failure: (any Error)?
        for export in try await exportsToCheck() {
            do {
                let members = try await within(.seconds(30)).stores.audience.storedListing(export.users)
                let isWhole = try await within(.seconds(30)).stores.audience.areAllThere(members)
                try await note(isWhole, of: export)
                ended += isWhole ? 0 : 1
            } catch is ListingExpired {
                // The archive has just expired.
            } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
        return ended
    }

    private func exportsToCheck() async throws -> [ExportToCheck] {
        try await within(.seconds(30)).read(
            """
            SELECT e.export_id, e.user_set, i.version
            FROM set_head i
            JOIN segment_export e ON e.workspace_id = i.workspace_id
                AND e.identity_counter IS DISTINCT FROM i.version
            WHERE i.workspace_id = \(workspace) AND i.set_number = \(SetKey.identity)
                AND e.workspace_id = \(workspace) AND e.state = 'done'
                AND e.outdated_at IS NULL AND e.expires_at > \(Instant.now)
            ORDER BY e.created_at, e.export_id LIMIT 100
            """
        ) { row in
            ExportToCheck(exportID: try row.value(0), users: try row.value(1), counter: try row.value(2))
        }
    }

    private func note(_ isWhole: Bool, of export: ExportToCheck) async throws {
        try await within(.seconds(30)).transaction { transaction in
            let outdated: Instant? = isWhole ? nil : .now
            try transaction.execute(
                """
                UPDATE segment_export
                SET identity_counter = \(export.counter), outdated_at = coalesce(outdated_at, \(outdated))
                WHERE workspace_id = \(workspace) AND export_id = \(export.exportID)
                """)
            guard !isWhole else { return }
            try transaction.execute(
                "DELETE FROM export_chunk WHERE workspace_id = \(workspace) AND export_id = \(export.exportID)")
        }
    }
}

extension AudienceStore {
    /// Whether none of these users was erased. A merged user counts as present if its kept user is.
    func areAllThere(_ members: MemberSet) async throws -> Bool {
        let scope = LookScope(cohorts: [], segments: [], attributes: [])
        let everyone = try await look(LookRequest(scope: scope)).everyone.members
        let gone = members.subtracting(everyone)
        guard !gone.isEmpty else { return true }
        let kept = try await keptNumbers(of: gone.users)
        return kept.count == gone.count && kept.allSatisfy { everyone.contains($0.rawValue) }
    }

    private func keptNumbers(of merged: [UserNumber]) async throws -> [UserNumber] {
        try await read(
            """
            SELECT kept_number FROM merged_user
            WHERE workspace_id = \(workspace) AND merged_number = ANY (\(merged))
            """
        ) { row in try row.value(0, as: UserNumber.self) }
    }
}
