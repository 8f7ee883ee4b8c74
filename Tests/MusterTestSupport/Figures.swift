public import Postgres
import TestSupport

extension Database {
    /// Returns a value per table, by the table's name, all at the same time. (`query_to_xml` would do, but not every
    /// build has it.)
    ///
    /// - Parameters:
    ///   - query: returns one value, such as `SELECT count(*) FROM %1$I`; `%1$I` stands for the table.
    ///   - tables: selects the tables, as a condition on `pg_class`.
    public func figures(
        _ query: String, tables: String = "true", variables: [(String, String)] = []
    ) async throws -> [String: String] {
        let script = """
            CREATE TEMPORARY TABLE figure (name text, value text) ON COMMIT DROP;
            DO $do$ BEGIN
                EXECUTE 'INSERT INTO figure ' || (
                    SELECT string_agg(format($query$SELECT %1$L, (\(query))::text$query$, relname), ' UNION ALL ')
                    FROM pg_class
                    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND (\(tables)));
            END $do$
            """
        let rows = try await transaction(variables: variables, deadline: .soon) { connection in
            try connection.run(script: script)
            return try connection.query("SELECT name, coalesce(value, '') FROM figure") { row in
                (try row.value(0, as: String.self), try row.value(1, as: String.self))
            }
        }
        return Dictionary(uniqueKeysWithValues: rows)
    }
}
