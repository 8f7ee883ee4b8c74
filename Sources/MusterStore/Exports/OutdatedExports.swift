import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// An archive to be looked at, since somebody was erased or merged after it was last looked at.
private struct ExportToCheck: Sendable {
    let exportID: String
    /// The stored listing of whom the archive shows.
    let users: Int32
    /// Of the identity row, before anybody is looked for.
    let counter: Int64
}

extension WorkspaceMaintenance {
    /// Deletes the archives that hold somebody who was erased since, and returns how many went.
    ///
    /// An erasure does not do so itself: it holds back every import of the workspace, and going through the listings of
    /// all archives takes longer than the erasure. Until here has been, the archive is not handed out.
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
                // Its hours have just ended.
            } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
        return ended
    }

    private func exportsToCheck() async throws -> [ExportToCheck] {
        try await within(.seconds(30)).read(
            """
            SELECT e.export_id, e.user_set, i.counter
            FROM identity i
            JOIN segment_export e ON e.workspace_id = i.workspace_id
                AND e.identity_counter IS DISTINCT FROM i.counter
            WHERE i.workspace_id = \(workspace) AND e.workspace_id = \(workspace) AND e.state = 'done'
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
    /// Whether nobody of these was erased. Those who were merged are there as the kept user.
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
