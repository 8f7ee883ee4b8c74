import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// The result of `muster-server verify`.
public struct VerifyReport: Sendable, Equatable {
    public var sets = 0
    public var changes = 0
    public var identifiers = 0
    /// Each is a sentence that names workspace, set and version.
    public var problems: [String] = []
}

extension MaintenanceStore {
    /// Replays every set of every workspace from its log, and checks: checksums, versions without gaps, chained tags,
    /// that each change had an effect, snapshot and head, that members are users, and that the users are everyone. Then
    /// checks the logs of definitions and identifiers, and compares the identity directory with the tables.
    public func verify(deadline: ContinuousClock.Instant) async throws -> VerifyReport {
        var report = VerifyReport()
        report.problems += try await missingWorkspaces(deadline: deadline)
        let workspaces = try await store.database.read(
            deadline: deadline, "SELECT workspace_id FROM workspace ORDER BY workspace_id"
        ) { row in try row.value(0, as: WorkspaceID.self) }
        for workspace in workspaces {
            let scope = WorkspaceScope(workspace, deadline: deadline)
            try await WorkspaceMaintenance(store: store, scope: scope).verify(&report)
        }
        return report
    }

    /// Workspaces with sets but no row, as after a partial restore: verification would skip them. The server's role
    /// can't see such workspaces.
    private func missingWorkspaces(deadline: ContinuousClock.Instant) async throws -> [String] {
        try await store.database.read(
            deadline: deadline,
            """
            SELECT DISTINCT workspace_id FROM set_head h
            WHERE NOT EXISTS (SELECT FROM workspace w WHERE w.workspace_id = h.workspace_id)
            ORDER BY workspace_id
            """
        ) { row in "workspace \(try row.value(0, as: WorkspaceID.self).rawValue), its row of workspace is missing" }
    }
}

extension WorkspaceMaintenance {
    fileprivate func verify(_ report: inout VerifyReport) async throws {
        report.problems += try await missingRows()
        let numbers = try await read(
            """
            SELECT set_number FROM set_head WHERE workspace_id = \(workspace) AND kind IN ('everyone', 'cohort')
            ORDER BY set_number
            """
        ) { row in try row.value(0, as: Int32.self) }
        for number in numbers {
            let found = try await snapshot { transaction in
                try SetVerification(of: SetKey(workspace: workspace, number: number), transaction)
            }
            report.sets += 1
            report.changes += found.changes
            report.problems += found.problems
        }
        report.problems += try await snapshot { transaction in try LogVerification(transaction).problems }
        try await verifyDirectory(&report)
    }

    /// Compares the identity directory with the tables. There is none without its head or its key, which `missingRows`
    /// names.
    private func verifyDirectory(_ report: inout VerifyReport) async throws {
        let found: DirectoryVerification
        do {
            found = try await snapshot { transaction in try DirectoryVerification(transaction) }
        } catch is UnfinishedWorkspace { return }
        report.identifiers += found.identifiers
        report.problems += found.problems.map { "workspace \(workspace.rawValue), \($0)" }
    }

    /// Rows that every workspace has from the start but this one lacks, and missing heads of its cohorts: without this
    /// check it would seem intact.
    private func missingRows() async throws -> [String] {
        let missing = try await read(
            """
            SELECT 'set ' || number || ', the head of ' || kind || ' is missing'
            FROM (VALUES
                (0, 'everyone'), (1, 'attributes'), (2, 'events'), (3, 'identity'), (4, 'definitions'), (5, 'identifiers')
            ) AS each(number, kind)
            WHERE NOT EXISTS (
                SELECT FROM set_head h
                WHERE h.workspace_id = \(workspace) AND h.set_number = each.number AND h.kind = each.kind)
            UNION ALL
            SELECT 'set ' || set_number || ', the head of a cohort is missing'
            FROM cohort c
            WHERE workspace_id = \(workspace) AND NOT EXISTS (
                SELECT FROM set_head h
                WHERE h.workspace_id = c.workspace_id AND h.set_number = c.set_number AND h.kind = 'cohort')
            UNION ALL
            SELECT 'its row of ' || name || ' is missing'
            FROM (VALUES
                ('page_token_key', EXISTS (SELECT FROM page_token_key WHERE workspace_id = \(workspace))),
                ('identifier_digest_key', EXISTS (
                    SELECT FROM identifier_digest_key WHERE workspace_id = \(workspace)))
            ) AS each(name, is_there)
            WHERE NOT is_there
            """
        ) { row in try row.value(0, as: String.self) }
        return missing.map { "workspace \(workspace.rawValue), \($0)" }
    }
}

/// The contents of a head, read without its lock.
private struct StoredHead: Sendable {
    let at: SetVersion
    let size: Int64
    let nextUserNumber: UserNumber?
}

/// Verifies one set in a transaction whose statements all see the same state: with ten million users this takes
/// seconds, too long to hold the lock of everyone.
private struct SetVerification: Sendable {
    let set: SetKey
    var changes = 0
    var problems: [String] = []

    init(of set: SetKey, _ transaction: borrowing WorkspaceTransaction) throws {
        self.set = set
        guard let head = try Self.head(of: set, transaction) else { return }
        let (snapshot, log) = try parts(transaction)
        changes = log.count
        guard let replayed = replay(log, from: snapshot) else { return }
        if replayed.at != head.at {
            note("version \(head.at.version): the log ends at \(replayed.at.version) or on another history")
        }
        compareSize(of: replayed, head)
        try set.number == SetKey.everyone
            ? compareUsers(replayed.members, head, transaction) : compareMembers(replayed, transaction)
    }

    private static func head(of set: SetKey, _ transaction: borrowing WorkspaceTransaction) throws -> StoredHead? {
        try transaction.first(
            """
            SELECT version, tag, size, next_user_number FROM set_head
            WHERE workspace_id = \(set.workspace) AND set_number = \(set.number)
            """
        ) { row in
            StoredHead(
                at: SetVersion(version: try row.value(0), tag: try row.value(1)), size: try row.value(2),
                nextUserNumber: try row.value(3))
        }
    }

    private mutating func note(_ problem: String) {
        problems.append("workspace \(set.workspace.rawValue), set \(set.number), \(problem)")
    }

    private mutating func parts(_ transaction: borrowing WorkspaceTransaction) throws -> (
        snapshot: SetState?, log: [SetChange]
    ) {
        var broken: [String] = []
        let set = set
        let at = try transaction.first(
            "SELECT version, tag FROM set_snapshot WHERE workspace_id = \(set.workspace) AND set_number = \(set.number)"
        ) { row in SetVersion(version: try row.value(0), tag: try row.value(1)) }
        let chunks = try transaction.query(
            "SELECT members, chunk FROM set_chunk WHERE workspace_id = \(set.workspace) AND set_number = \(set.number)"
        ) { row in
            do { return try row.members(0, of: set) } catch {
                broken.append("chunk \(try row.value(1, as: Int32.self)) of the snapshot: its bytes are damaged")
                return MemberSet()
            }
        }
        let log = try transaction.query(
            """
            SELECT version, previous_tag, tag, added, removed FROM set_change
            WHERE workspace_id = \(set.workspace) AND set_number = \(set.number) ORDER BY version
            """
        ) { row -> SetChange? in
            do { return try row.change(0, of: set, added: 3, removed: 4) } catch {
                broken.append("version \(try row.value(0, as: Int64.self)): the bytes of its change are damaged")
                return nil
            }
        }
        for problem in broken { note(problem) }
        return (at.map { SetState(at: $0, members: MemberSet(merging: chunks)) }, log.compactMap(\.self))
    }

    /// The set after its whole log. If retention deleted the log's start, replays from the snapshot, undone to where
    /// the log begins.
    private mutating func replay(_ log: [SetChange], from snapshot: SetState?) -> SetState? {
        guard let first = log.first else { return snapshot ?? .empty }
        var state = SetState.empty
        if first.at.version > 1 {
            let known = log.filter { $0.at.version <= snapshot?.at.version ?? 0 }
            guard let start = snapshot?.undoing(known) else {
                note("version \(first.at.version): the log begins here and the snapshot doesn't reach it")
                return nil
            }
            state = start
        }
        for change in log {
            if change.at.version != state.at.version + 1 {
                note("version \(change.at.version): the one before it is \(state.at.version)")
                return nil
            }
            if change.previousTag != state.at.tag {
                note("version \(change.at.version): it goes on from another history")
            }
            if !change.added.intersection(state.members).isEmpty {
                note("version \(change.at.version): it adds members")
            }
            if !change.removed.subtracting(state.members).isEmpty {
                note("version \(change.at.version): it removes users who are no members")
            }
            state.members.apply(added: change.added, removed: change.removed)
            state.at = change.at
            if let snapshot, snapshot.at.version == state.at.version,
                snapshot.at != state.at || snapshot.members != state.members
            {
                note("version \(state.at.version): the snapshot differs from the log")
            }
        }
        return state
    }

    private mutating func compareSize(of state: SetState, _ head: StoredHead) {
        guard head.size != Int64(state.members.count) else { return }
        note("version \(state.at.version): the head says \(head.size) members, the log \(state.members.count)")
    }

    private mutating func compareUsers(
        _ members: MemberSet, _ head: StoredHead, _ transaction: borrowing WorkspaceTransaction
    ) throws {
        let numbers = try transaction.query(
            "SELECT user_number FROM registered_user WHERE workspace_id = \(set.workspace)"
        ) { row in try row.value(0, as: UserNumber.self) }
        if MemberSet(users: numbers) != members {
            note("version \(head.at.version): everyone differs from the registered users")
        }
        if let largest = members.max, largest >= head.nextUserNumber?.rawValue ?? 0 {
            note("version \(head.at.version): the next user number was given out already")
        }
    }

    private mutating func compareMembers(_ state: SetState, _ transaction: borrowing WorkspaceTransaction) throws {
        let everyone = try transaction.load([SetKey.everyone])[SetKey.everyone]
        let unregistered = state.members.subtracting(everyone?.members ?? [])
        if !unregistered.isEmpty { note("version \(state.at.version): \(unregistered.count) members are no users") }
    }
}
