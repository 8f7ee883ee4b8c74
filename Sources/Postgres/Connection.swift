/// A connection that is lent to the closure of a unit of work and can't escape it.
///
/// Each call sends and then waits for the answer until the unit's deadline; all throw `PostgresError`.
public struct Connection: ~Copyable {
    let session: DatabaseSession

    init(_ session: DatabaseSession) { self.session = session }

    /// Returns the rows of a statement, each converted by `row`.
    public borrowing func query<R>(_ sql: SQL, _ row: (borrowing Row) throws -> R) throws -> [R] {
        let answer = try session.perform(sql)
        var rows: [R] = []
        rows.reserveCapacity(answer.rowCount)
        for index in 0..<answer.rowCount { rows.append(try answer.withRow(index, row)) }
        return rows
    }

    /// Returns the first row, or nil if there is none.
    public borrowing func first<R>(_ sql: SQL, _ row: (borrowing Row) throws -> R) throws -> R? {
        let answer = try session.perform(sql)
        return answer.rowCount > 0 ? try answer.withRow(0, row) : nil
    }

    /// Passes each row to `row`. All rows are in memory before the first is passed.
    public borrowing func forEach(_ sql: SQL, _ row: (borrowing Row) throws -> Void) throws {
        let answer = try session.perform(sql)
        for index in 0..<answer.rowCount { try answer.withRow(index, row) }
    }

    /// Runs a statement and ignores its rows. Use RETURNING to count the changed rows.
    public borrowing func execute(_ sql: SQL) throws { _ = try session.perform(sql) }

    /// Runs several statements without values, such as a SQL file. Never build them from data.
    public borrowing func run(script: String) throws {
        try session.checkMaySend()
        try session.openAlone()
        try session.simple(script)
    }

    /// Lends a value that another layer makes from this connection. The value ends with `body`, so no connection
    /// escapes.
    package borrowing func lend<Wrapper: ~Copyable, R>(
        as wrap: (consuming Connection) -> Wrapper, _ body: (borrowing Wrapper) throws -> R
    ) rethrows -> R {
        try body(wrap(Connection(session)))
    }
}
