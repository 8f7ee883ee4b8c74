import MusterProtocol
import Postgres

// Finds the user that a reference means. Each of these selects that user's row by the columns of `w`. All statements
// that look up users are built from them.
//
// `LIMIT 1` changes no result, since a reference means one user. It keeps the planner from reversing the join if it
// takes the table for small: the statement would then scan all references for each user.
extension UserLookup {
    /// By `w.external_id`.
    static func userByExternalID(_ columns: SQL = "x.user_number", in workspace: WorkspaceID) -> SQL {
        """
        SELECT \(columns) FROM registered_user x
        WHERE x.workspace_id = \(workspace) AND x.external_id = w.external_id LIMIT 1
        """
    }

    /// By `w.alias_label` and `w.alias_name`.
    static func userByAlias(in workspace: WorkspaceID) -> SQL {
        """
        SELECT x.user_number FROM user_alias x WHERE x.workspace_id = \(workspace)
            AND x.alias_label = w.alias_label AND x.alias_name = w.alias_name LIMIT 1
        """
    }

    /// By `w.device_id`.
    static func userByDevice(
        _ columns: SQL = "x.user_number", joining join: SQL = "", in workspace: WorkspaceID
    ) -> SQL {
        """
        SELECT \(columns) FROM user_device x \(join)
        WHERE x.workspace_id = \(workspace) AND x.device_id = w.device_id LIMIT 1
        """
    }

    /// By `w.external_id`, a deprecated external id that still finds a user.
    private static func userByDeprecatedID(in workspace: WorkspaceID) -> SQL {
        """
        SELECT x.user_number FROM deprecated_external_id x
        WHERE x.workspace_id = \(workspace) AND x.external_id = w.external_id LIMIT 1
        """
    }

    private static func userByBrazeID(in workspace: WorkspaceID) -> SQL {
        """
        SELECT x.user_number FROM registered_user x
        WHERE x.workspace_id = \(workspace) AND x.braze_id = w.braze_id LIMIT 1
        """
    }

    /// By a column that several users may share. `users` counts them, for a reference that must match exactly one.
    private static func userByContact(_ column: SQL, in workspace: WorkspaceID) -> SQL {
        """
        SELECT x.user_number, count(*) OVER () AS users FROM registered_user x
        WHERE x.workspace_id = \(workspace) AND \(column) = w.contact
            AND (w.only_kind = 0 OR w.only_kind = CASE WHEN x.external_id IS NULL THEN 2 ELSE 1 END)
        ORDER BY w.in_order = 3 AND x.external_id IS NULL, CASE w.in_order WHEN 2 THEN x.updated_at END,
            x.updated_at DESC, x.user_number DESC LIMIT 1
        """
    }
}

// The references of each kind as rows `w`.
extension UserLookup {
    var externalIDRows: SQL {
        "unnest(\(externalIDs.names.textArray), \(externalIDs.ordinals)) w (external_id, ordinal)"
    }

    var aliasRows: SQL {
        """
        unnest(\(aliases.labels.textArray), \(aliases.names.names.textArray), \(aliases.names.ordinals))
            w (alias_label, alias_name, ordinal)
        """
    }

    var deviceRows: SQL { "unnest(\(devices.names.textArray), \(devices.ordinals)) w (device_id, ordinal)" }

    private var brazeIDRows: SQL { "unnest(\(brazeIDs.names.textArray), \(brazeIDs.ordinals)) w (braze_id, ordinal)" }
}

// Statements that return the ordinal of a reference and the number of its user.
extension UserLookup {
    /// Looks up all kinds; nil if there are no references. `deprecated` includes deprecated external ids.
    func users(in workspace: WorkspaceID, deprecated: Bool) -> SQL? {
        var parts = rareParts(in: workspace, deprecated: deprecated)
        if !externalIDs.isEmpty {
            parts.append(Self.part(of: externalIDRows, Self.userByExternalID(in: workspace)))
        }
        if !aliases.names.isEmpty { parts.append(Self.part(of: aliasRows, Self.userByAlias(in: workspace))) }
        if !devices.isEmpty { parts.append(Self.part(of: deviceRows, Self.userByDevice(in: workspace))) }
        return SQL(union: parts)
    }

    /// Looks up the kinds that most calls don't use.
    func rareParts(in workspace: WorkspaceID, deprecated: Bool) -> [SQL] {
        var parts: [SQL] = []
        if deprecated, !externalIDs.isEmpty { parts.append(usersByDeprecatedID(in: workspace)) }
        if !brazeIDs.isEmpty { parts.append(Self.part(of: brazeIDRows, Self.userByBrazeID(in: workspace))) }
        if !emails.names.isEmpty { parts.append(Self.part(of: emails, "x.email", in: workspace)) }
        if !phones.names.isEmpty { parts.append(Self.part(of: phones, "x.phone", in: workspace)) }
        return parts
    }

    /// Looks up deprecated external ids only. One probe suffices for a workspace without any.
    func usersByDeprecatedID(in workspace: WorkspaceID) -> SQL {
        """
        \(Self.part(of: externalIDRows, Self.userByDeprecatedID(in: workspace)))
        WHERE EXISTS (SELECT FROM deprecated_external_id e WHERE e.workspace_id = \(workspace))
        """
    }

    /// Looks up devices only. A third column tells whether the user has no external id.
    ///
    /// The join is inside the select: outside, PostgreSQL would cache users, though each occurs only once.
    func usersByDeviceWithAnonymity(in workspace: WorkspaceID) -> SQL {
        let join: SQL = "JOIN registered_user r ON r.workspace_id = \(workspace) AND r.user_number = x.user_number"
        let user = Self.userByDevice(
            "x.user_number, r.external_id IS NULL AS is_anonymous", joining: join, in: workspace)
        return "SELECT w.ordinal, u.user_number, u.is_anonymous FROM \(deviceRows) CROSS JOIN LATERAL (\(user)) u"
    }

    private static func part(of rows: SQL, _ user: SQL) -> SQL {
        "SELECT w.ordinal, u.user_number FROM \(rows) CROSS JOIN LATERAL (\(user)) u"
    }

    private static func part(of contacts: Contacts, _ column: SQL, in workspace: WorkspaceID) -> SQL {
        let rows: SQL = """
            unnest(\(contacts.names.names.textArray), \(contacts.only), \(contacts.order), \(contacts.names.ordinals))
                w (contact, only_kind, in_order, ordinal)
            """
        return "\(part(of: rows, userByContact(column, in: workspace))) WHERE w.in_order > 0 OR u.users = 1"
    }
}

extension SQL {
    /// Joins statements with the same columns by UNION ALL; nil if there are none.
    init?(union parts: [SQL]) {
        guard var whole = parts.first else { return nil }
        for part in parts.dropFirst() {
            whole += " UNION ALL "
            whole += part
        }
        self = whole
    }
}
