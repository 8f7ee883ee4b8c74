import MusterProtocol
import MusterUsers
import Postgres

/// Searches the logs of cohorts for the last change of one user's membership.
struct MembershipSearch {
    private let user: UserNumber
    /// Bytes of the logs that may still be read.
    private var budget = Limits.explainLog.value

    /// Changes per statement.
    private static let batch = 32
    /// Counts for the row of a change, however small.
    private static let bytesOfRow = 1_024

    init(for user: UserNumber) { self.user = user }

    /// The last change in a cohort at its head, which is that of the transaction's snapshot.
    mutating func lastChange(
        in cohort: StoredCohort, _ transaction: borrowing WorkspaceTransaction
    ) throws -> MembershipChange {
        var before = cohort.state.at.version + 1
        while before > 1, budget > 0 {
            let changes = try transaction.newestChanges(of: cohort.number, before: before, limit: Self.batch)
            for (change, time, bytes) in changes {
                budget -= max(bytes, Self.bytesOfRow)
                let isAdded = change.added.contains(user.rawValue)
                guard isAdded || change.removed.contains(user.rawValue) else { continue }
                var found = MembershipChange(isAdded ? .added : .removed, version: change.at.version, changedAt: time)
                try transaction.addSource(to: &found, in: cohort.number)
                return found
            }
            // The log has every version from its oldest on.
            guard let oldest = changes.last?.change.at.version else { return MembershipChange(.unknown) }
            before = oldest
        }
        let isMember = cohort.state.members.contains(user.rawValue)
        return MembershipChange(before <= 1 && !isMember ? .none : .unknown)
    }
}

extension WorkspaceTransaction {
    fileprivate borrowing func newestChanges(
        of number: Int32, before version: Int64, limit: Int
    ) throws -> [(change: SetChange, time: Instant, bytes: Int)] {
        let set = SetKey(workspace: workspace, number: number)
        return try query(
            """
            SELECT version, previous_tag, tag, added, removed, changed_at,
                coalesce(octet_length(added), 0) + coalesce(octet_length(removed), 0)
            FROM set_change
            WHERE workspace_id = \(workspace) AND set_number = \(number) AND version < \(version)
            ORDER BY version DESC LIMIT \(Int64(limit))
            """
        ) { row in
            try row.change(0, of: set, added: 3, removed: 4).map {
                ($0, try row.value(5, as: Instant.self), Int(try row.value(6, as: Int32.self)))
            }
        }.compactMap(\.self)
    }

    /// Finds where a change comes from. One without a receipt is of users who became one, unless receipts of its time
    /// are deleted.
    fileprivate borrowing func addSource(to found: inout MembershipChange, in number: Int32) throws {
        let receipt = try first(
            """
            SELECT key_id, CASE WHEN from_caller THEN request_id END FROM cohort_import
            WHERE workspace_id = \(workspace) AND set_number = \(number) AND version = \(found.version ?? 0)
            """
        ) { row in (keyID: try row.value(0, as: String.self), requestID: try row.value(1, as: Identifier?.self)) }
        if let receipt {
            (found.source, found.keyID, found.requestID) = (.import, receipt.keyID, receipt.requestID)
            return
        }
        let isForgotten = try first(
            """
            SELECT coalesce(forgotten_import_at >= \(found.changedAt), false) FROM cohort
            WHERE workspace_id = \(workspace) AND set_number = \(number)
            """
        ) { row in try row.value(0, as: Bool.self) }
        found.source = isForgotten == false ? .merge : .unknown
    }
}
