import MusterProtocol
import MusterSets
import Postgres

/// The sets of an attribute's tests at one version, to be brought on by the users who changed since.
struct AttributeAdvance: Sendable {
    struct Start: Hashable, Sendable {
        let name: Identifier
        let from: SetVersion
    }

    let start: Start
    var known: [AttributeFilter: MemberSet]
}

/// The parts of a look over all users' attributes. Both yield users and their values of an attribute, which are judged
/// in one place.
extension LookStatement {
    /// All users who have the attribute: the slowest thing that a look does.
    var scansPart: SQL {
        """
         UNION ALL
        SELECT 4, n.position, NULL, NULL, NULL, NULL, NULL, NULL, array_send(array_agg(u.user_number)), NULL, NULL,
            jsonb_build_object('v', jsonb_agg(u.attributes -> n.name))
        FROM unnest(\(scannedNames)) WITH ORDINALITY n (name, position)
        CROSS JOIN LATERAL (
            SELECT x.user_number, x.attributes FROM registered_user x
            WHERE x.workspace_id = \(workspace) AND x.attributes ? n.name OFFSET 0) u
        GROUP BY n.position, u.user_number >> 13
        """
    }

    /// The users who changed since the known version, with NULL for the value of those who don't have the attribute or
    /// are no more. There are rows, be it one without users, only where the log has every version since then, in the
    /// same history, and few enough users.
    var advancesPart: SQL {
        """
         UNION ALL
        SELECT 7, n.position, NULL, NULL, NULL, NULL, NULL, NULL,
            array_send(array_agg(c.user_number) FILTER (WHERE c.user_number IS NOT NULL)), NULL, NULL,
            jsonb_build_object('v', jsonb_agg(u.attributes -> n.name))
        FROM unnest(\(advances.map(\.start.name)), \(advances.map(\.start.from.version)), \(advances.map(\.start.from.tag)))
            WITH ORDINALITY n (name, version, tag, position)
        CROSS JOIN LATERAL (
            SELECT h.version - n.version behind, h.tag, \(raw: AttributeLog.maxUsers) most FROM set_head h, set_head e
            WHERE h.workspace_id = \(workspace) AND h.set_number = 1 AND e.workspace_id = \(workspace) AND e.set_number = 0
            LIMIT 1) h
        CROSS JOIN LATERAL (
            SELECT FROM (
                SELECT y.version, y.previous_tag, cardinality(y.user_numbers) users FROM attribute_change y
                WHERE y.workspace_id = \(workspace) AND y.version > n.version AND h.behind BETWEEN 1 AND h.most
                OFFSET 0) y
            HAVING count(*) = h.behind AND coalesce(sum(y.users), 0) <= h.most
                AND coalesce(max(y.previous_tag) FILTER (WHERE y.version = n.version + 1), h.tag) = n.tag) proved
        LEFT JOIN LATERAL (
            SELECT y.user_number, row_number() OVER () >> 13 part FROM (
                SELECT DISTINCT unnest(y.user_numbers) user_number FROM attribute_change y
                WHERE y.workspace_id = \(workspace) AND y.version > n.version) y
            OFFSET 0) c ON true
        LEFT JOIN LATERAL (
            SELECT x.attributes FROM registered_user x
            WHERE x.workspace_id = \(workspace) AND x.user_number = c.user_number LIMIT 1) u ON true
        GROUP BY n.position, c.part
        """
    }

    /// The names of the attributes that are scanned, each once.
    var scannedNames: [Identifier] { Array(Set(scans.map(\.name))).sorted() }
}

extension AudienceStore {
    /// What is known of these tests' sets, at whatever version.
    func advances(of filters: Set<AttributeFilter>) -> [AttributeAdvance] {
        var advances: [AttributeAdvance.Start: AttributeAdvance] = [:]
        for filter in filters {
            guard let set = derived[.attribute(workspace, filter)] else { continue }
            let start = AttributeAdvance.Start(name: filter.name, from: set.at)
            advances[start, default: AttributeAdvance(start: start, known: [:])].known[filter] = set.members
        }
        return Array(advances.values)
    }
}
