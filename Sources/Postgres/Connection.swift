/// A connection lent to the closure of a unit of work. It cannot be kept beyond it.
///
/// Each call sends and then waits for the answer until the deadline of the unit; all throw `PostgresError`.
public struct Connection: ~Copyable {
    let session: Session

    init(_ session: Session) { self.session = session }

    /// The rows of a statement, each as `row` makes it.
    public borrowing func query<R>(_ sql: SQL, _ row: (borrowing Row) throws -> R) throws -> [R] {
        let answer = try session.perform(sql)
        var rows: [R] = []
        rows.reserveCapacity(answer.rowCount)
        for index in 0..<answer.rowCount { rows.append(try answer.withRow(index, row)) }
        return rows
    }

    /// The first row, or nil where there is none.
    public borrowing func first<R>(_ sql: SQL, _ row: (borrowing Row) throws -> R) throws -> R? {
        let answer = try session.perform(sql)
        return answer.rowCount > 0 ? try answer.withRow(0, row) : nil
    }

    /// Passes each row to `row`. All rows are in memory before the first is passed; for more than fits use `copyOut`.
    public borrowing func forEach(_ sql: SQL, _ row: (borrowing Row) throws -> Void) throws {
        let answer = try session.perform(sql)
        for index in 0..<answer.rowCount { try answer.withRow(index, row) }
    }

    /// A statement whose rows are of no interest. How many it changed is asked with RETURNING.
    public borrowing func execute(_ sql: SQL) throws { _ = try session.perform(sql) }

    /// Several statements without values, as a file of SQL holds them. Never build one from data.
    public borrowing func run(script: String) throws {
        try session.checkMaySend()
        try session.openAlone()
        try session.simple(script)
    }

    /// Runs `body` under a savepoint: when it throws, what it did is undone and the transaction can go on.
    public borrowing func savepoint<R>(_ body: () throws -> R) throws -> R { try session.savepoint(body) }

    /// Lends what another layer makes of this connection. It ends with `body`, so that no connection escapes.
    package borrowing func lend<Wrapper: ~Copyable, R>(
        as wrap: (consuming Connection) -> Wrapper, _ body: (borrowing Wrapper) throws -> R
    ) rethrows -> R {
        try body(wrap(Connection(session)))
    }
}
