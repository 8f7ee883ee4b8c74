import MusterProtocol
import MusterSets
import Postgres

/// A saved filter.
struct Definition: Sendable {
    let version: Int64
    let filter: Filter
}

/// All saved filters of a workspace, at one version of the head of definitions.
struct Definitions: Sendable {
    var at: SetVersion
    var segments: [Identifier: Definition] = [:]
    var names: [Identifier: String] = [:]
    /// Segments whose stored filter this server can't read.
    var damaged: [Identifier: DamagedSet] = [:]

    /// Compiles a question. Throws `FilterFault`.
    func plan(for question: Question) throws -> QueryPlan {
        var compiler = PlanCompiler(definitions: segments, damaged: damaged)
        let roots: [SetExpression]
        var ids: [Identifier] = []
        switch question {
        case .filter(let filter): roots = [try compiler.root(filter)]
        case .segments(let named): (ids, roots) = (named, try named.map { try compiler.root(segment: $0) })
        case .several(let parts): roots = try parts.map { try compiler.root($0) }
        case .everySegment:
            if let damage = damaged.values.first { throw damage }
            ids = segments.keys.sorted()
            roots = try ids.map { try compiler.root(segment: $0) }
        }
        if let missing = compiler.unknown.min() {
            // What the question itself names is told first: it is what the caller can change.
            throw question.fault(missing: compiler.unknown.filter(question.names).min() ?? missing)
        }
        return QueryPlan(question, compiler, roots: roots, segmentIDs: ids, from: self)
    }
}

extension WorkspaceTransaction {
    /// All definitions at a head of this transaction's snapshot: the known ones brought on by the log of changes, or
    /// all of them where the log doesn't reach back.
    borrowing func definitions(at head: SetVersion, from known: Definitions?) throws -> Definitions {
        if let known {
            if known.at == head { return known }
            if let ids = try segmentsChanged(from: known.at, to: head) {
                var definitions = known
                definitions.at = head
                for id in ids {
                    (definitions.segments[id], definitions.names[id], definitions.damaged[id]) = (nil, nil, nil)
                }
                try read(ids, into: &definitions)
                return definitions
            }
        }
        var definitions = Definitions(at: head)
        try read(nil, into: &definitions)
        return definitions
    }

    /// Nil where the log doesn't lead from one version to the other.
    private borrowing func segmentsChanged(from known: SetVersion, to head: SetVersion) throws -> [Identifier]? {
        guard known.version < head.version else { return nil }
        let changes = try query(
            """
            SELECT version, previous_tag, segment_ids FROM definition_change
            WHERE workspace_id = \(workspace) AND version > \(known.version) ORDER BY version
            """
        ) { row in
            (
                version: try row.value(0, as: Int64.self), previousTag: try row.value(1, as: Int64.self),
                ids: try row.value(2, as: [Identifier].self)
            )
        }
        guard changes.count == head.version - known.version, changes.first?.version == known.version + 1,
            changes.first?.previousTag == known.tag
        else { return nil }
        return Array(Set(changes.flatMap(\.ids)))
    }

    private enum Column: Int { case id, version, name, filter }

    private borrowing func read(_ ids: [Identifier]?, into definitions: inout Definitions) throws {
        var sql: SQL = "SELECT segment_id, version, name, filter FROM segment WHERE workspace_id = \(workspace)"
        if let ids { sql += " AND segment_id = ANY (\(ids))" }
        try forEach(sql) { row in
            let id: Identifier = try row.value(Column.id)
            definitions.names[id] = try row.value(Column.name)
            let (version, filter): (Int64, JSONB) = (try row.value(Column.version), try row.value(Column.filter))
            do {
                definitions.segments[id] = Definition(
                    version: version, filter: try JSONDecoding.decode(from: filter.bytes))
            } catch {
                // Only those who ask about it hear of it.
                definitions.damaged[id] = DamagedSet(
                    set: .everyone(of: workspace), what: "the filter of a segment can't be read")
            }
        }
    }
}
