import MusterProtocol
import MusterSets
import MusterUsers
import Postgres

/// The one statement of a look, over everything that the reads it serves ask for. One statement is one snapshot of the
/// database, so that all answers are of one state, without locks and without an isolation level above READ COMMITTED.
///
/// `LATERAL` with `LIMIT 1` or `OFFSET 0` keeps the planner from turning a join round: a look that asks for no scan
/// would else go through all users to find that out, and one that is up to date through all changes of its cohorts.
struct LookStatement: Sendable {
    let workspace: WorkspaceID
    var cohorts: [CohortReference] = []
    /// What the caller has of each cohort: its set and the state.
    var known: [(number: Int32, state: SetState)?] = []
    var everyone: SetState?
    var segments: [SegmentVersion] = []
    var allSegments = false
    var users: [UserReference] = []
    var wantsUserAttributes = false
    /// Whether former external ids are looked for too; a look says whether there are any.
    var findsDeprecated = false
    /// The attributes whose sets are to be worked out from all users, and those to be brought on by the users who
    /// changed.
    var scans: [AttributeFilter] = []
    var advances: [AttributeAdvance] = []
    /// The leaves whose sets are to be worked out, and those that are asked of the users.
    var eventScans: [EventLeaf] = []
    var userEvents: [EventLeaf] = []
    /// What the windows of the last days end with.
    var now = Instant.now

    /// Beyond so many changes a set is loaded afresh: its snapshot is smaller than the way there.
    static let maxChanges: Int64 = 256

    /// Kinds of rows. All have the same columns: kind, position, and up to six numbers, two stored sets, a text and a
    /// JSON value.
    enum Part: Int32 {
        case head = 0
        case cohort, definition, user, scan, eventScan, eventsOfUser, advance
    }

    /// Only the parts that are asked for: PostgreSQL gets each part of a statement ready, also one that has nothing to
    /// do, which took most of the time of a look that serves a few checks.
    var sql: SQL {
        let kinds = UserLookup(users)
        var sql = headsPart
        if !cohorts.isEmpty { sql += cohortsPart }
        if !segments.isEmpty { sql += definitionsPart }
        if allSegments { sql += segmentsPart }
        if !kinds.externalIDs.isEmpty { sql += externalIDsPart(kinds) }
        if !kinds.aliases.names.isEmpty { sql += aliasesPart(kinds) }
        if !kinds.devices.isEmpty { sql += devicesPart(kinds) }
        if let rare = SQL(union: kinds.rareParts(in: workspace, deprecated: findsDeprecated)) { sql += part(of: rare) }
        if !userEvents.isEmpty, let found = kinds.users(in: workspace, deprecated: findsDeprecated) {
            sql += eventsPart(of: found)
        }
        if !scans.isEmpty { sql += scansPart }
        if !advances.isEmpty { sql += advancesPart }
        sql += eventScansPart
        return sql
    }

    private var headsPart: SQL {
        let everyoneKnown = everyone?.at.version ?? -1
        return """
            SELECT 0, h.has_deprecated_ids::int4::int8, h.set_number::int8, h.version, h.tag, x.version, x.previous_tag, x.tag, x.added, x.removed,
                NULL::text, NULL::jsonb
            FROM set_head h LEFT JOIN LATERAL (
                SELECT y.version, y.previous_tag, y.tag, y.added, y.removed FROM set_change y
                WHERE y.workspace_id = \(workspace) AND y.set_number = h.set_number AND y.version > \(everyoneKnown)
                    AND h.set_number = 0 AND \(everyoneKnown) >= h.version - \(Self.maxChanges)
                OFFSET 0) x ON true
            WHERE h.workspace_id = \(workspace) AND h.set_number IN (0, 1, 2)
            """
    }

    private var cohortsPart: SQL {
        """
         UNION ALL
        SELECT 1, w.position, h.set_number, h.version, h.tag, x.version, x.previous_tag, x.tag, x.added, x.removed, NULL, NULL
        FROM unnest(\(cohorts.map(\.partner)), \(cohorts.map(\.cohortID)), \(known.map { $0?.number ?? -1 }),
                \(known.map { $0?.state.at.version ?? -1 }))
            WITH ORDINALITY w (partner, cohort_id, known_number, known_version, position)
        CROSS JOIN LATERAL (
            SELECT y.set_number FROM cohort y WHERE y.workspace_id = \(workspace) AND y.partner = w.partner
                AND y.cohort_id = w.cohort_id LIMIT 1) c
        JOIN set_head h ON h.workspace_id = \(workspace) AND h.set_number = c.set_number
        LEFT JOIN LATERAL (
            SELECT y.version, y.previous_tag, y.tag, y.added, y.removed FROM set_change y
            WHERE y.workspace_id = \(workspace) AND y.set_number = h.set_number AND y.version > w.known_version
                AND h.set_number = w.known_number AND w.known_version >= h.version - \(Self.maxChanges)
            OFFSET 0) x ON true
        """
    }

    private var definitionsPart: SQL {
        """
         UNION ALL
        SELECT 2, w.position, s.version, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
            CASE WHEN s.version <> w.known_version THEN s.filter END
        FROM unnest(\(segments.map(\.segmentID)), \(segments.map(\.version)))
            WITH ORDINALITY w (segment_id, known_version, position)
        CROSS JOIN LATERAL (
            SELECT y.version, y.filter FROM segment y
            WHERE y.workspace_id = \(workspace) AND y.segment_id = w.segment_id LIMIT 1) s
        """
    }

    private var segmentsPart: SQL {
        """
         UNION ALL
        SELECT 2, 0, s.version, NULL, NULL, NULL, NULL, NULL, convert_to(s.segment_id, 'UTF8'), NULL, s.name, NULL
        FROM segment s WHERE s.workspace_id = \(workspace)
        """
    }

    private func externalIDsPart(_ users: UserLookup) -> SQL {
        let columns: SQL = "x.user_number, CASE WHEN \(wantsUserAttributes) THEN x.attributes END attributes"
        return """
             UNION ALL
            SELECT 3, w.ordinal, u.user_number, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, u.attributes
            FROM \(users.externalIDRows)
            CROSS JOIN LATERAL (\(UserLookup.userByExternalID(columns, in: workspace))) u
            """
    }

    private func aliasesPart(_ users: UserLookup) -> SQL {
        part(of: users.aliasRows, UserLookup.userByAlias(in: workspace))
    }

    private func devicesPart(_ users: UserLookup) -> SQL {
        part(of: users.deviceRows, UserLookup.userByDevice(in: workspace))
    }

    private func part(of rows: SQL, _ user: SQL) -> SQL {
        """
         UNION ALL
        SELECT 3, w.ordinal, f.user_number, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, u.attributes
        FROM \(rows) CROSS JOIN LATERAL (\(user)) f
        LEFT JOIN LATERAL (
            SELECT x.attributes FROM registered_user x WHERE x.workspace_id = \(workspace)
                AND x.user_number = f.user_number AND \(wantsUserAttributes) LIMIT 1) u ON true
        """
    }

    /// Users of all kinds that few calls name.
    private func part(of found: SQL) -> SQL {
        var sql: SQL = """
             UNION ALL
            SELECT 3, f.ordinal, f.user_number, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, u.attributes FROM (
            """
        sql += found
        sql += """
            ) f
            LEFT JOIN LATERAL (
                SELECT x.attributes FROM registered_user x WHERE x.workspace_id = \(workspace)
                    AND x.user_number = f.user_number AND \(wantsUserAttributes) LIMIT 1) u ON true
            """
        return sql
    }
}
