import Postgres

/// A transaction that sees one workspace. The statements of the nouns are extensions of it.
///
/// It is lent to the closure of one unit of work and can't outlive it.
struct WorkspaceTransaction: ~Copyable {
    let workspace: WorkspaceID
    private let connection: Connection

    private init(_ workspace: WorkspaceID, _ connection: consuming Connection) {
        self.workspace = workspace
        self.connection = connection
    }

    /// Lends a transaction over a connection that is already scoped to the workspace.
    static func over<R>(
        _ connection: borrowing Connection, in workspace: WorkspaceID,
        _ body: (borrowing WorkspaceTransaction) throws -> R
    ) throws -> R {
        try connection.lend(as: { WorkspaceTransaction(workspace, $0) }, body)
    }

    /// The rows of a statement, each as `row` makes it.
    borrowing func query<R>(_ sql: SQL, _ row: (borrowing Row) throws -> R) throws -> [R] {
        try connection.query(sql, row)
    }

    /// The first row, or nil.
    borrowing func first<R>(_ sql: SQL, _ row: (borrowing Row) throws -> R) throws -> R? {
        try connection.first(sql, row)
    }

    /// Passes each row to `row`.
    borrowing func forEach(_ sql: SQL, _ row: (borrowing Row) throws -> Void) throws {
        try connection.forEach(sql, row)
    }

    /// Runs a statement without reading rows. To count changed rows, use RETURNING with `query`.
    borrowing func execute(_ sql: SQL) throws { try connection.execute(sql) }
}
