import MusterStore
import MusterTestSupport
import Postgres

extension TestDatabase {
    /// A digest of every row of every table, as the owner sees them, but for the last use of keys, which is noted beside the calls.
    /// With `workspace`, of its rows only.
    func fingerprint(of workspace: WorkspaceID? = nil) async throws -> [String: String] {
        let only = workspace.map { "\($0.rawValue)" } ?? ""
        let rows = try await Self.open(ownerURL, connections: 1) { database in
            try await database.read(
                deadline: .soon,
                """
                SELECT relname::text, (xpath('/row/n/text()', query_to_xml(format(
                    'SELECT count(*) || '' '' || md5(coalesce(string_agg(t.j::text, '','' ORDER BY t.j::text), '''')) AS n
                     FROM (SELECT to_jsonb(r) - ''last_used_at'' AS j FROM %I r) t
                     WHERE %L IN ('''', t.j ->> ''workspace_id'')',
                    relname, \(only)), false, true, '')))[1]::text
                FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                """
            ) { row in (try row.value(0, as: String.self), try row.value(1, as: String.self)) }
        }
        return Dictionary(uniqueKeysWithValues: rows)
    }

    /// Runs a script as the owner.
    func asOwner(_ script: String) async throws {
        try await Self.open(ownerURL, connections: 1) { database in
            try await database.withConnection(deadline: .soon) { connection in try connection.run(script: script) }
        }
    }
}
