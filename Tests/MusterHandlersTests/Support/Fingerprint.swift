import MusterStore
import MusterTestSupport
import Postgres
import TestSupport

extension TestDatabase {
    /// A digest of every row of every table, as the owner sees them, but for the last use of keys, which is noted
    /// beside the calls. With `workspace`, of its rows only.
    func fingerprint(of workspace: WorkspaceID? = nil) async throws -> [String: String] {
        let only = workspace.map { "\($0.rawValue)" } ?? ""
        return try await Self.open(ownerURL, connections: 1) { database in
            try await database.figures(
                """
                SELECT count(*) || ' ' || md5(coalesce(string_agg(t.j::text, ',' ORDER BY t.j::text), ''))
                FROM (SELECT to_jsonb(r) - 'last_used_at' AS j FROM %1$I r) t
                WHERE '\(only)' IN ('', t.j ->> 'workspace_id')
                """)
        }
    }
}
