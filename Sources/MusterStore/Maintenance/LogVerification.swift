import MusterProtocol
import MusterUsers
import Postgres

/// Verifies the logs of definitions and of identifiers in a transaction whose statements all see the same state: that
/// versions have no gaps up to their heads, that entries are whole, and that the tables have what the newest entries
/// say.
struct LogVerification: Sendable {
    private(set) var problems: [String] = []
    private let workspace: WorkspaceID

    init(_ transaction: borrowing WorkspaceTransaction) throws {
        workspace = transaction.workspace
        try verifyDefinitions(transaction)
        try verifyIdentifiers(transaction)
    }

    private mutating func note(_ log: String, _ problem: String) {
        problems.append("workspace \(workspace.rawValue), the log of \(log), \(problem)")
    }

    private mutating func verifyDefinitions(_ transaction: borrowing WorkspaceTransaction) throws {
        let log = try transaction.query(
            """
            SELECT version, previous_tag, cardinality(segment_ids) > 0 FROM definition_change
            WHERE workspace_id = \(workspace) ORDER BY version
            """
        ) { row in try LoggedChange(row) }
        try verify(log, of: "definitions", head: SetKey.definitions, transaction)
    }

    private mutating func verifyIdentifiers(_ transaction: borrowing WorkspaceTransaction) throws {
        var newest: [IdentifierDigest: LoggedIdentifier?] = [:]
        let log = try transaction.query(
            """
            SELECT version, previous_tag, octet_length(come) % 20 = 0 AND octet_length(gone) % 16 = 0
                AND octet_length(come) + octet_length(gone) > 0, come, gone
            FROM identifier_change WHERE workspace_id = \(workspace) ORDER BY version
            """
        ) { row in
            let change = try LoggedChange(row)
            guard change.isWhole else { return change }
            for entry in LoggedIdentifier.all(in: try row.value(3)) { newest[entry.digest] = .some(entry) }
            for digest in IdentifierDigest.all(in: try row.value(4)) { newest[digest] = .some(nil) }
            return change
        }
        try verify(log, of: "identifiers", head: SetKey.identifiers, transaction)
        try compare(newest, transaction)
    }

    /// Rows of a log have no tag of their own: a reader who has one compares it with the next row's.
    private mutating func verify(
        _ log: [LoggedChange], of name: String, head number: Int32, _ transaction: borrowing WorkspaceTransaction
    ) throws {
        let head = try transaction.first(
            "SELECT version FROM set_head WHERE workspace_id = \(workspace) AND set_number = \(number)"
        ) { row in try row.value(0, as: Int64.self) }
        // The start of a log is deleted by maintenance, or is older than the log.
        guard let head, var last = log.first.map({ $0.version - 1 }) else { return }
        for change in log {
            if change.version != last + 1 { note(name, "version \(change.version): the one before it is \(last)") }
            if (change.previousTag == 0) != (change.version == 1) {
                note(name, "version \(change.version): it goes on from another history")
            }
            if !change.isWhole { note(name, "version \(change.version): its entries are damaged") }
            last = change.version
        }
        if last != head { note(name, "version \(head): the log ends at \(last)") }
    }

    /// Compares what the log says last of each identifier with the tables.
    private mutating func compare(
        _ newest: [IdentifierDigest: LoggedIdentifier?], _ transaction: borrowing WorkspaceTransaction
    ) throws {
        guard !newest.isEmpty, let key = try transaction.identifierDigestKey() else { return }
        var (left, differing) = (newest, 0)
        try transaction.forEachIdentifier { held in
            guard let digest = key.digest(of: held.identifier), let logged = left.removeValue(forKey: digest) else {
                return
            }
            let stored = LoggedIdentifier(
                digest: digest, user: held.user, isExternalID: held.identifier.isExternalID)
            if logged != stored { differing += 1 }
        }
        let wrong = differing + left.values.count { $0 != nil }
        if wrong > 0 {
            note("identifiers", "\(wrong) of its \(newest.count) identifiers are not as the tables have them")
        }
    }
}

/// A row of a log, without its entries.
private struct LoggedChange: Sendable {
    let version: Int64
    let previousTag: Int64
    let isWhole: Bool

    init(_ row: borrowing Row) throws {
        (version, previousTag, isWhole) = (try row.value(0), try row.value(1), try row.value(2))
    }
}
