public import MusterProtocol
import Postgres

/// The outcome of a deletion.
public enum Deletion: Sendable, Equatable {
    case deleted
    case unknown
    /// These segments use it.
    case used(by: [Identifier])
}

/// The outcome of a change of a segment.
public enum SegmentUpdate: Sendable, Equatable {
    /// Its version afterwards.
    case updated(version: Int64)
    case unknown
    /// It has this version and not the one on which the change depends. Nothing was changed.
    case otherVersion(Int64)
}

/// Aborts the transaction of a segment whose id is in use.
private struct SegmentExists: Error {}

/// The segments of a workspace: saved filters. `AudienceStore` evaluates them.
public struct SegmentStore: ScopedStore {
    let store: Store
    let scope: WorkspaceScope

    /// Saves a filter; nil if the id is in use. Throws `FilterFault`.
    public func create(
        _ id: Identifier, name: String, filter: Filter, request: IdempotencyKey
    ) async throws -> CreateSegment.Reply? {
        do {
            return try await withIdempotency(request) { transaction in
                WriteResult(reply: try transaction.createSegment(id, name: name, filter: filter))
            }
        } catch is SegmentExists {
            return nil
        }
    }

    /// Changes a segment. A changed filter raises the version. Throws `FilterFault`.
    ///
    /// - Parameter ifVersion: the version that the segment must have; nil permits any.
    public func update(
        _ id: Identifier, name: String?, filter: Filter?, ifVersion: Int64? = nil
    ) async throws -> SegmentUpdate {
        try await transaction { transaction in
            let definitions = try transaction.lockDefinitions()
            guard let old = try transaction.segments(id: id).first else { return .unknown }
            if let ifVersion, ifVersion != old.version { return .otherVersion(old.version) }
            let changes = filter.map { $0 != old.filter } ?? false
            let new = filter ?? old.filter
            if changes { try transaction.judge(new, as: id) }
            let next = try transaction.raise(definitions, changing: [id])
            let version = changes ? next : old.version
            try transaction.execute(
                """
                UPDATE segment SET name = \(name ?? old.name), filter = \(JSONB(try JSONEncoding.encode(new))),
                    version = \(version), updated_at = \(Instant.now)
                WHERE workspace_id = \(workspace) AND segment_id = \(id)
                """)
            if changes { try transaction.noteUses(of: new, by: id) }
            return .updated(version: version)
        }
    }

    /// One segment, with the segments that use it.
    public func get(_ id: Identifier) async throws -> SegmentInfo? {
        try await transaction { transaction in
            guard var segment = try transaction.segments(id: id).first else { return nil }
            segment.usedBy = try transaction.users(of: id)
            return segment
        }
    }

    /// Deletes a segment that no other segment uses.
    public func delete(_ id: Identifier) async throws -> Deletion {
        try await transaction { transaction in
            let definitions = try transaction.lockDefinitions()
            let users = try transaction.users(of: id)
            guard users.isEmpty else { return .used(by: users) }
            let deleted = try transaction.query(
                "DELETE FROM segment WHERE workspace_id = \(workspace) AND segment_id = \(id) RETURNING 1"
            ) { row in try row.value(0, as: Int32.self) }
            guard !deleted.isEmpty else { return .unknown }
            try transaction.raise(definitions, changing: [id])
            return .deleted
        }
    }
}

extension WorkspaceStore {
    /// The segments of the workspace.
    public var segments: SegmentStore { SegmentStore(store: store, scope: scope) }
}

extension WorkspaceTransaction {
    fileprivate borrowing func createSegment(
        _ id: Identifier, name: String, filter: Filter
    ) throws -> CreateSegment.Reply {
        let definitions = try lockDefinitions()
        guard try segments(id: id).isEmpty else { throw SegmentExists() }
        try judge(filter, as: id)
        let version = try raise(definitions, changing: [id])
        let now = Instant.now
        try execute(
            """
            INSERT INTO segment (workspace_id, segment_id, name, filter, version, created_at, updated_at)
            VALUES (\(workspace), \(id), \(name), \(JSONB(try JSONEncoding.encode(filter))), \(version), \(now), \(now))
            """)
        try noteUses(of: filter, by: id)
        return CreateSegment.Reply(segmentID: id, version: version)
    }

    fileprivate borrowing func segments(id: Identifier? = nil) throws -> [SegmentInfo] {
        try query(
            """
            SELECT segment_id, name, filter, version, created_at, updated_at FROM segment
            WHERE workspace_id = \(workspace) AND (\(id) IS NULL OR segment_id = \(id))
            """
        ) { row in try SegmentInfo(row) }
    }

    fileprivate borrowing func users(of id: Identifier) throws -> [Identifier] {
        try query(
            """
            SELECT segment_id FROM segment_segment
            WHERE workspace_id = \(workspace) AND used_segment_id = \(id) ORDER BY segment_id
            """
        ) { row in try row.value(0) }
    }

    /// Throws if a filter names a missing object, would contain itself, or makes this or another segment too large.
    fileprivate borrowing func judge(_ filter: Filter, as id: Identifier) throws {
        try requireCohorts(of: filter)
        var definitions = Dictionary(
            uniqueKeysWithValues: try segments().map {
                ($0.segmentID, Definition(version: $0.version, filter: $0.filter))
            })
        definitions[id] = Definition(version: 0, filter: filter)
        try filter.forEachNode { node, path in
            guard case .segment(let used) = node else { return }
            guard definitions[used.segmentID] != nil else {
                throw FilterFault.missingSegment(used.segmentID, path: "filter.\(path)")
            }
            if let cycle = way(from: used.segmentID, to: id, definitions) { throw FilterFault.cycle([id] + cycle) }
        }
        var compiler = PlanCompiler(definitions: definitions)
        _ = try compiler.root(filter)
        for user in dependents(of: id, definitions) {
            var compiler = PlanCompiler(definitions: definitions)
            do { _ = try compiler.root(segment: user) } catch let fault as FilterFault {
                let isDeep = if case .tooDeep = fault { true } else { false }
                throw FilterFault.tooLarge(user: user, isDeep ? Limits.filterDepth : Limits.filterNodes)
            }
        }
    }

    private borrowing func requireCohorts(of filter: Filter) throws {
        var cohorts: [(CohortReference, path: String)] = []
        filter.forEachNode { node, path in
            if case .cohort(let cohort) = node { cohorts.append((cohort, path)) }
        }
        let existing = Set(
            try query(
                """
                SELECT c.partner, c.cohort_id FROM unnest(\(cohorts.map(\.0.partner)), \(cohorts.map(\.0.cohortID))) w (partner, cohort_id)
                JOIN cohort c ON c.workspace_id = \(workspace) AND c.partner = w.partner AND c.cohort_id = w.cohort_id
                """
            ) { row in CohortReference(partner: try row.value(0), cohortID: try row.value(1)) })
        if let missing = cohorts.first(where: { !existing.contains($0.0) }) {
            throw FilterFault.missingCohort(missing.0, path: "filter.\(missing.path)")
        }
    }

    /// Stores the objects that a filter names. Constraints then keep these from being deleted.
    fileprivate borrowing func noteUses(of filter: Filter, by id: Identifier) throws {
        var cohorts: Set<CohortReference> = []
        var segments: Set<Identifier> = []
        filter.forEachNode { node, _ in
            if case .cohort(let cohort) = node { cohorts.insert(cohort) }
            if case .segment(let segment) = node { segments.insert(segment.segmentID) }
        }
        let cohortList = Array(cohorts)
        try execute("DELETE FROM segment_cohort WHERE workspace_id = \(workspace) AND segment_id = \(id)")
        try execute("DELETE FROM segment_segment WHERE workspace_id = \(workspace) AND segment_id = \(id)")
        try execute(
            """
            INSERT INTO segment_cohort (workspace_id, segment_id, partner, cohort_id)
            SELECT \(workspace), \(id), w.partner, w.cohort_id
            FROM unnest(\(cohortList.map(\.partner)), \(cohortList.map(\.cohortID))) w (partner, cohort_id)
            RETURNING 1
            """)
        try execute(
            """
            INSERT INTO segment_segment (workspace_id, segment_id, used_segment_id)
            SELECT \(workspace), \(id), w.segment_id FROM unnest(\(Array(segments))) w (segment_id)
            RETURNING 1
            """)
    }
}

/// The segments on the path from one to another, both included; nil if there is no path.
private func way(
    from start: Identifier, to end: Identifier, _ definitions: [Identifier: Definition], _ depth: Int = 0
) -> [Identifier]? {
    if start == end { return [end] }
    guard depth <= Limits.filterDepth.value, let filter = definitions[start]?.filter else { return nil }
    var found: [Identifier]?
    filter.forEachNode { node, _ in
        guard found == nil, case .segment(let used) = node else { return }
        found = way(from: used.segmentID, to: end, definitions, depth + 1).map { [start] + $0 }
    }
    return found
}

/// The segments that use a segment, directly or through others.
private func dependents(of id: Identifier, _ definitions: [Identifier: Definition]) -> [Identifier] {
    var found: Set<Identifier> = []
    var fresh: Set<Identifier> = [id]
    while !fresh.isEmpty {
        var next: Set<Identifier> = []
        for (candidate, definition) in definitions where candidate != id && !found.contains(candidate) {
            definition.filter.forEachNode { node, _ in
                if case .segment(let used) = node, fresh.contains(used.segmentID) { next.insert(candidate) }
            }
        }
        found.formUnion(next)
        fresh = next
    }
    return Array(found)
}

extension SegmentInfo {
    /// Reads the columns `segment_id, name, filter, version, created_at, updated_at`.
    init(_ row: borrowing Row) throws {
        self.init(
            segmentID: try row.value(0), name: try row.value(1),
            filter: try JSONDecoding.decode(from: try row.value(2, as: JSONB.self).bytes), version: try row.value(3),
            createdAt: try row.value(4), updatedAt: try row.value(5))
    }
}
