import MusterProtocol
import MusterUsers
import Postgres

/// References to users by kind, as statements want them, each with its ordinal among all.
struct UserLookup {
    /// Identifiers of one column.
    struct Names {
        var names = IdentifierList()
        var ordinals: [Int32] = []

        mutating func append(_ name: Identifier, _ ordinal: Int32) {
            names.append(name)
            ordinals.append(ordinal)
        }
    }

    /// E-mail addresses or telephone numbers, with numbers for what their prioritization says.
    struct Contacts {
        var names = Names()
        /// 0: all users; 1: identified ones; 2: anonymous ones; 3: nobody is both.
        var only: [Int32] = []
        /// 0: there must be one only; 1: last updated; 2: first updated; 3: identified before anonymous, then last updated.
        var order: [Int32] = []

        mutating func append(_ contact: Contact, as value: Identifier, _ ordinal: Int32) {
            let wishes = contact.prioritization ?? []
            names.append(value, ordinal)
            only.append((wishes.contains(.identified) ? 1 : 0) + (wishes.contains(.unidentified) ? 2 : 0))
            let byTime = wishes.first { $0 == .mostRecentlyUpdated || $0 == .leastRecentlyUpdated }
            order.append(wishes.isEmpty ? 3 : byTime.map { $0 == .mostRecentlyUpdated ? 1 : 2 } ?? 0)
        }
    }

    var externalIDs = Names()
    var aliases = (labels: IdentifierList(), names: Names())
    var devices = Names()
    var brazeIDs = Names()
    var emails = Contacts()
    var phones = Contacts()

    init(_ references: [UserReference]) {
        for (ordinal, reference) in references.enumerated() {
            let ordinal = Int32(truncatingIfNeeded: ordinal)
            switch reference {
            case .externalID(let id): externalIDs.append(id, ordinal)
            case .alias(let alias):
                aliases.labels.append(alias.label)
                aliases.names.append(alias.name, ordinal)
            case .deviceID(let id): devices.append(id, ordinal)
            case .brazeID(let id): brazeIDs.append(id, ordinal)
            case .email(let contact): emails.append(contact, as: ContactKind.email.normalized(contact.value), ordinal)
            case .phone(let contact): phones.append(contact, as: ContactKind.phone.normalized(contact.value), ordinal)
            }
        }
    }
}

// Statements whose rows are the ordinal of a reference and the number of its user, each over one kind.
//
// `LIMIT 1` changes no answer, since each reference means one user: it keeps the planner from turning the join round, which it
// would for a table that it takes for small, and then go through all references for each user.
extension UserLookup {
    /// Over all kinds that there are references of; nil where there are none. `deprecated`: former external ids too.
    func parts(in workspace: WorkspaceID, deprecated: Bool) -> SQL? {
        var parts = rareParts(in: workspace, deprecated: deprecated)
        if !externalIDs.ordinals.isEmpty {
            parts.append(
                """
                SELECT w.ordinal, u.user_number
                FROM unnest(\(externalIDs.names.textArray), \(externalIDs.ordinals)) w (external_id, ordinal)
                CROSS JOIN LATERAL (
                    SELECT x.user_number FROM registered_user x
                    WHERE x.workspace_id = \(workspace) AND x.external_id = w.external_id LIMIT 1) u
                """)
        }
        if !aliases.names.ordinals.isEmpty {
            parts.append(
                """
                SELECT w.ordinal, a.user_number
                FROM unnest(\(aliases.labels.textArray), \(aliases.names.names.textArray), \(aliases.names.ordinals))
                    w (alias_label, alias_name, ordinal)
                CROSS JOIN LATERAL (
                    SELECT x.user_number FROM user_alias x WHERE x.workspace_id = \(workspace)
                        AND x.alias_label = w.alias_label AND x.alias_name = w.alias_name LIMIT 1) a
                """)
        }
        if !devices.ordinals.isEmpty {
            parts.append(
                """
                SELECT w.ordinal, d.user_number
                FROM unnest(\(devices.names.textArray), \(devices.ordinals)) w (device_id, ordinal)
                CROSS JOIN LATERAL (
                    SELECT x.user_number FROM user_device x
                    WHERE x.workspace_id = \(workspace) AND x.device_id = w.device_id LIMIT 1) d
                """)
        }
        return SQL(union: parts)
    }

    /// Over the kinds that most calls don't use.
    func rareParts(in workspace: WorkspaceID, deprecated: Bool) -> [SQL] {
        var parts: [SQL] = []
        if deprecated, !externalIDs.ordinals.isEmpty { parts.append(Self.deprecatedPart(externalIDs, in: workspace)) }
        if !brazeIDs.ordinals.isEmpty {
            parts.append(
                """
                SELECT w.ordinal, u.user_number
                FROM unnest(\(brazeIDs.names.textArray), \(brazeIDs.ordinals)) w (braze_id, ordinal)
                CROSS JOIN LATERAL (
                    SELECT x.user_number FROM registered_user x
                    WHERE x.workspace_id = \(workspace) AND x.braze_id = w.braze_id LIMIT 1) u
                """)
        }
        if !emails.order.isEmpty { parts.append(Self.part(of: emails, "x.email", in: workspace)) }
        if !phones.order.isEmpty { parts.append(Self.part(of: phones, "x.phone", in: workspace)) }
        return parts
    }

    /// External ids that are no user's any more and find one still. One look tells of a workspace that has none.
    static func deprecatedPart(_ externalIDs: Names, in workspace: WorkspaceID) -> SQL {
        """
        SELECT w.ordinal, d.user_number
        FROM unnest(\(externalIDs.names.textArray), \(externalIDs.ordinals)) w (external_id, ordinal)
        CROSS JOIN LATERAL (
            SELECT x.user_number FROM deprecated_external_id x
            WHERE x.workspace_id = \(workspace) AND x.external_id = w.external_id LIMIT 1) d
        WHERE EXISTS (SELECT FROM deprecated_external_id e WHERE e.workspace_id = \(workspace))
        """
    }

    private static func part(of contacts: Contacts, _ column: SQL, in workspace: WorkspaceID) -> SQL {
        var sql: SQL = """
            SELECT w.ordinal, c.user_number
            FROM unnest(\(contacts.names.names.textArray), \(contacts.only), \(contacts.order), \(contacts.names.ordinals))
                w (contact, only_kind, in_order, ordinal)
            CROSS JOIN LATERAL (
                SELECT x.user_number, count(*) OVER () AS users FROM registered_user x
                WHERE x.workspace_id = \(workspace) AND 
            """
        sql += column
        sql += """
             = w.contact AND (w.only_kind = 0 OR w.only_kind = CASE WHEN x.external_id IS NULL THEN 2 ELSE 1 END)
                ORDER BY w.in_order = 3 AND x.external_id IS NULL, CASE w.in_order WHEN 2 THEN x.updated_at END,
                    x.updated_at DESC, x.user_number DESC LIMIT 1) c
            WHERE w.in_order > 0 OR c.users = 1
            """
        return sql
    }
}

extension SQL {
    /// One statement out of several with the same columns; nil where there are none.
    init?(union parts: [SQL]) {
        guard var whole = parts.first else { return nil }
        for part in parts.dropFirst() {
            whole += " UNION ALL "
            whole += part
        }
        self = whole
    }
}
