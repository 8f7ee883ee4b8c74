import Postgres

extension Schema {
    /// Throws `CannotCreate` if the role of the connection can't create Muster's tables, or later the months of events.
    func checkMayCreate(deadline: ContinuousClock.Instant) async throws {
        let rows = try await database.read(
            deadline: deadline,
            """
            SELECT quote_ident(current_user), quote_ident(current_database()), quote_ident(current_schema()),
                current_setting('search_path'), coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)
            """
        ) { row in try CannotCreate(row) }
        if let failure = rows.first.flatMap(\.self) { throw failure }
    }
}

/// The role of the connection can't create tables. `description` gives the reason and the statement that helps.
public struct CannotCreate: Error, Equatable, CustomStringConvertible {
    let role: String
    let database: String
    let cause: Cause

    enum Cause: Equatable {
        /// No schema of the search path exists or may be used.
        case noSchema(searchPath: String)
        case noCreate(schema: String)
    }

    /// Nil if the role may create tables.
    fileprivate init?(_ row: borrowing Row) throws {
        (role, database) = (try row.value(0), try row.value(1))
        let (schema, path, may): (String?, String, Bool) = (try row.value(2), try row.value(3), try row.value(4))
        if let schema {
            guard !may else { return nil }
            cause = .noCreate(schema: schema)
        } else {
            cause = .noSchema(searchPath: path)
        }
    }

    /// Says what is missing and what to do next.
    public var description: String {
        switch cause {
        case .noSchema(let path):
            "there is no schema for \(role) to make tables in: none of the search path (\(path)) is there with USAGE. "
                + "As a superuser, in the database \(database): GRANT CREATE, USAGE ON SCHEMA public TO \(role)"
        case .noCreate(let schema):
            "\(role) has no CREATE on schema \(schema), and so can't make tables there. As a superuser, in the database "
                + "\(database): GRANT CREATE, USAGE ON SCHEMA \(schema) TO \(role). A new database best belongs to "
                + "that role: createdb --owner \(role)"
        }
    }
}
