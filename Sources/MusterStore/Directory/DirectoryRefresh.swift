import MusterUsers
import Postgres

extension WorkspaceTransaction {
    /// Brings a directory to `head`, the version of the head of identifiers in this transaction's snapshot (REPEATABLE
    /// READ), by the rows of the log since its version.
    ///
    /// Returns false if the log doesn't reach back to there, or if `head` is of another history: the directory must be
    /// dropped and loaded anew. A directory ahead of `head` counts as one of another history, so a workspace has one
    /// refresh at a time.
    borrowing func refresh(_ directory: IdentityDirectory, to head: SetVersion) throws -> Bool {
        let start = directory.version
        if start == head { return true }
        guard start.version < head.version else { return false }
        let changes = try identifierChanges(after: start.version, upTo: head.version)
        return directory.apply(changes, from: start, to: head)
    }

    /// The rows of the log of identifiers in a range of versions, in order.
    borrowing func identifierChanges(after start: Int64, upTo end: Int64) throws -> [IdentifierLogRow] {
        try query(
            """
            SELECT version, previous_tag, gone, come FROM identifier_change
            WHERE workspace_id = \(workspace) AND version > \(start) AND version <= \(end) ORDER BY version
            """
        ) { row in
            IdentifierLogRow(
                version: try row.value(0), previousTag: try row.value(1),
                gone: IdentifierDigest.all(in: try row.value(2)),
                come: LoggedIdentifier.all(in: try row.value(3)))
        }
    }
}
