import Postgres

extension Schema {
    /// Throws `AccessProblem` if Muster's tables are not in the schema where this connection creates tables but in
    /// another one of the database. Lookups by name would miss them, or new tables would end up apart from them.
    func checkIsNotElsewhere(deadline: ContinuousClock.Instant) async throws {
        let found = try await database.read(
            deadline: deadline,
            """
            SELECT quote_ident(nspname), quote_ident(current_user), quote_ident(pg_get_userbyid(m.relowner)),
                current_setting('search_path'), has_schema_privilege(n.oid, 'USAGE'),
                nspname = ANY (current_schemas(false))
            FROM pg_class m JOIN pg_namespace n ON n.oid = m.relnamespace
            WHERE m.relname = 'migration' AND m.relkind = 'r' AND m.relpersistence <> 't'
                AND EXISTS (
                    SELECT FROM pg_class w WHERE w.relnamespace = n.oid AND w.relname = 'workspace' AND w.relkind = 'r')
                AND NOT EXISTS (
                    SELECT FROM pg_class o JOIN pg_namespace c ON c.oid = o.relnamespace
                    WHERE o.relname = 'migration' AND o.relkind = 'r' AND c.nspname = current_schema())
            ORDER BY 5 DESC, 6 DESC, nspname LIMIT 1
            """
        ) { row in try TablesElsewhere(row) }
        if let found = found.first { throw found.problem }
    }
}

/// Muster's tables in a schema other than the first of the search path.
private struct TablesElsewhere: Sendable {
    let schema: String
    let role: String
    let owner: String
    let searchPath: String
    let mayUse: Bool
    let isInPath: Bool

    init(_ row: borrowing Row) throws {
        (schema, role, owner) = (try row.value(0), try row.value(1), try row.value(2))
        (searchPath, mayUse, isInPath) = (try row.value(3), try row.value(4), try row.value(5))
    }

    var problem: AccessProblem {
        guard mayUse else {
            return AccessProblem(
                "\(role) may not use the schema \(schema), where Muster's tables are: run `muster-server migrate` as "
                    + "\(owner), which owns the tables and grants it to the server's role (setting server_role), "
                    + "or GRANT USAGE ON SCHEMA \(schema) TO \(role)")
        }
        return AccessProblem(
            "Muster's tables are in schema \(schema), which is not \(isInPath ? "the first of" : "in") the search_path "
                + "(\(searchPath)): add options='-c search_path=\(schema)' to the connection string")
    }
}
