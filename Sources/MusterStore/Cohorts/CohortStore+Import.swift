public import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// An import as the store receives it.
public struct ImportRequest: Sendable {
    public var cohort: CohortReference
    /// Nil if the caller gave none.
    public var requestID: Identifier?
    public var changes: [CohortChange]
    /// SHA-256 of the request's content, to tell a repeat from a different request with the same id.
    public var digest: [UInt8]
    public var keyID: String
    /// Whether to refuse a cohort that does not exist instead of creating it.
    public var mustExist: Bool

    public init(
        cohort: CohortReference, requestID: Identifier?, changes: [CohortChange], digest: [UInt8], keyID: String,
        mustExist: Bool = false
    ) {
        self.cohort = cohort
        self.requestID = requestID
        self.changes = changes
        self.digest = digest
        self.keyID = keyID
        self.mustExist = mustExist
    }
}

/// The result of an import.
public enum ImportAnswer: Sendable {
    /// Applied, by this request or an earlier one with the same id.
    case applied(version: Int64, size: Int, outcomes: [OutcomeRun])
    /// The request has no identifiers: nothing was created or changed.
    case empty(version: Int64, size: Int)
    case unknownPartner
    case disabledPartner
    /// The request requires a cohort that exists already.
    case unknownCohort
    /// The request id was used for a different request.
    case requestIDReused
}

/// Users were merged, identified or erased after identifiers were resolved and before the locks: resolve again.
private struct IdentitiesChanged: Error {}

extension CohortStore {
    /// Applies an import exactly once, despite repeats and lost connections.
    ///
    /// Identifiers are resolved without a lock. The head of identity, locked shared until the commit, shows whether
    /// any binding ended or moved since. If the answer to COMMIT is lost, the same request id runs again on another
    /// connection and its unique key decides. If the outcome stays unknown until the deadline, the error says so.
    ///
    /// The receipt is the record of the answer. `withIdempotency` would store the outcomes twice, with one more index
    /// entry, and need one more statement to look for them; here the look-up comes with the head of identity.
    public func `import`(_ request: ImportRequest) async throws -> ImportAnswer {
        let batch = ImportBatch(request.changes)
        if batch.count == 0 { return try await emptyImport(request) }
        let id = ImportID(request.requestID)
        var unresolved: PostgresError?
        while true {
            do {
                switch try await resolve(batch, of: request, id) {
                case .answered(let answer): return answer
                case .resolved(let resolved, let identity):
                    await failpoints.reach(.importResolved)
                    return try await apply(resolved, of: request, id, identity)
                }
            } catch is IdentitiesChanged {
                continue
            } catch is MadeMeanwhile {
                continue
            } catch let error as PostgresError where error.kind == .commitOutcomeUnknown {
                unresolved = error
            } catch {
                guard let unknown = unresolved else { throw error }
                // The first COMMIT may still be pending: only its end, or the caller's next attempt, can tell.
                guard ContinuousClock.now < scope.deadline, (error as? PostgresError)?.mayPass == true else {
                    throw unknown
                }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    /// The result of a lookup before anything is locked.
    private enum Lookup {
        case answered(ImportAnswer)
        /// With the version of the head of identity from before the look-ups.
        case resolved(ImportBatch, SetVersion)
    }

    /// Starts from the unresolved batch on every attempt, so that no user found by an earlier attempt is left over.
    private func resolve(_ unresolved: ImportBatch, of request: ImportRequest, _ id: ImportID) async throws -> Lookup {
        let (directories, memory) = (store.directories, stores.audience.memory)
        return try await transaction { transaction in
            let lookup = try transaction.lookUpRequest(request, id)
            if let answer = lookup.answer { return .answered(answer) }
            var batch = unresolved
            // Reads keep the directory current; where there are none, the next import finds it so.
            let isCurrent = try transaction.resolve(&batch, by: directories, at: lookup.identifiers)
            if !isCurrent { memory.refreshDirectory() }
            return .resolved(batch, lookup.identity)
        }
    }

    private func apply(
        _ batch: ImportBatch, of request: ImportRequest, _ id: ImportID, _ identity: SetVersion
    ) async throws -> ImportAnswer {
        let change = batch.requestedChange
        let cache = cache
        let applied = try await transaction {
            transaction -> (SetKey, SetState, [OutcomeRun])? in
            guard try transaction.shareIdentity() == identity else { throw IdentitiesChanged() }
            guard let head = try transaction.lockHead(for: request) else { return nil }
            let old = try transaction.state(of: head, cache: cache)
            let (added, removed) = old.members.effectiveChange(adding: change.adding, removing: change.removing)
            let now = Instant.now
            let new = try transaction.append(added: added, removed: removed, to: head, state: old, at: now)
            let outcomes = batch.outcomes(of: change, added: added, removed: removed)
            try transaction.record(request, id, set: head.set, state: new, outcomes: outcomes, at: now)
            return (head.set, new, outcomes)
        }
        guard let (set, state, outcomes) = applied else { return .unknownCohort }
        cache.put(state, for: set)
        return .applied(version: state.at.version, size: state.members.count, outcomes: outcomes)
    }

    private func emptyImport(_ request: ImportRequest) async throws -> ImportAnswer {
        try await transaction { transaction in
            if let answer = try transaction.lookUpRequest(request, ImportID(request.requestID)).answer {
                return answer
            }
            let head = try transaction.first(
                """
                SELECT h.version, h.size FROM cohort c
                JOIN set_head h ON h.workspace_id = \(workspace) AND h.set_number = c.set_number
                WHERE c.workspace_id = \(workspace) AND c.partner = \(request.cohort.partner)
                    AND c.cohort_id = \(request.cohort.cohortID)
                """
            ) { row in (version: try row.value(0, as: Int64.self), size: try row.value(1, as: Int64.self)) }
            guard head != nil || !request.mustExist else { return .unknownCohort }
            return .empty(version: head?.version ?? 0, size: Int(head?.size ?? 0))
        }
    }
}

/// The id under which an import is recorded: the caller's, or a generated one, since a lost COMMIT needs one too.
struct ImportID: Sendable {
    let value: Identifier
    let isCallers: Bool

    init(_ callers: Identifier?) {
        isCallers = callers != nil
        value =
            callers
            ?? Identifier(
                String(UInt64.random(in: 0 ... .max), radix: 36) + String(UInt64.random(in: 0 ... .max), radix: 36))
    }
}

extension PostgresError {
    /// Whether to retry before the deadline.
    fileprivate var mayPass: Bool {
        isTransient || [.unavailable, .connectionLost, .overloaded].contains(kind)
    }
}

extension ImportID {
    /// Reads the heads of identity and identifiers, the partner, and the recorded import with this id, if any.
    func lookup(of partner: String, in workspace: WorkspaceID) -> SQL {
        """
        SELECT i.version, i.tag, p.enabled, r.version, r.size, r.outcomes, r.payload_digest,
            f.version, f.tag
        FROM set_head i
        JOIN set_head f ON f.workspace_id = \(workspace) AND f.set_number = \(SetKey.identifiers)
        LEFT JOIN partner p ON p.workspace_id = \(workspace) AND p.partner = \(partner)
        LEFT JOIN cohort_import r ON r.workspace_id = \(workspace) AND r.partner = \(partner)
            AND r.from_caller = \(isCallers) AND r.request_id = \(value)
        WHERE i.workspace_id = \(workspace) AND i.set_number = \(SetKey.identity)
        """
    }
}

extension WorkspaceTransaction {
    /// The versions of the heads of identity and identifiers, and the answer if it is known already: the partner may
    /// not import, or the id is recorded.
    fileprivate borrowing func lookUpRequest(
        _ request: ImportRequest, _ id: ImportID
    ) throws -> (identity: SetVersion, identifiers: SetVersion, answer: ImportAnswer?) {
        let found = try first(id.lookup(of: request.cohort.partner, in: workspace)) { row in
            (
                identity: SetVersion(version: try row.value(0), tag: try row.value(1)),
                identifiers: SetVersion(version: try row.value(7), tag: try row.value(8)),
                answer: try Self.answer(row, digest: request.digest)
            )
        }
        guard let found else {
            throw DamagedSet(set: SetKey(workspace: workspace, number: SetKey.identity), what: "its head is missing")
        }
        return found
    }

    private static func answer(_ row: borrowing Row, digest: [UInt8]) throws -> ImportAnswer? {
        guard let enabled: Bool = try row.value(2, as: Bool?.self) else { return .unknownPartner }
        // A recorded answer stays valid, even if the partner was disabled since.
        if let version: Int64 = try row.value(3, as: Int64?.self) {
            guard try row.value(6, as: [UInt8].self) == digest else { return .requestIDReused }
            guard let outcomes = OutcomeCoding.decode(try row.value(5)) else {
                throw PostgresError(.decoding, "recorded outcomes are damaged")
            }
            return .applied(version: version, size: Int(try row.value(4, as: Int64.self)), outcomes: outcomes)
        }
        return enabled ? nil : .disabledPartner
    }

    /// Locks the head of the cohort; nil if the cohort does not exist and must not be created.
    fileprivate borrowing func lockHead(for request: ImportRequest) throws -> LockedHead? {
        request.mustExist
            ? try lockHead(of: request.cohort) : try lockOrMakeHead(of: request.cohort)
    }

    fileprivate borrowing func record(
        _ request: ImportRequest, _ id: ImportID, set: SetKey, state: SetState, outcomes: [OutcomeRun], at time: Instant
    ) throws {
        let recorded = try first(
            """
            INSERT INTO cohort_import (workspace_id, set_number, version, partner, from_caller, request_id, payload_digest,
                key_id, imported_at, size, outcomes, shape)
            VALUES (\(set.workspace), \(set.number), \(state.at.version), \(request.cohort.partner), \(id.isCallers),
                \(id.value), \(request.digest), \(request.keyID), \(time), \(Int64(state.members.count)),
                \(OutcomeCoding.encode(outcomes)), \(OutcomeCoding.encode(request.changes.map(ChangeShape.init))))
            ON CONFLICT (workspace_id, partner, from_caller, request_id) DO NOTHING RETURNING 1
            """
        ) { row in try row.value(0, as: Int32.self) }
        if recorded == nil { throw MadeMeanwhile() }
    }
}
