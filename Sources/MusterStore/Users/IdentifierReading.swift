import MusterProtocol
import MusterUsers
import Postgres

/// An identifier of a stored user.
struct HeldIdentifier: Sendable {
    let identifier: UserReference
    let user: UserNumber

    /// Identifiers per statement when all are read: some 10 MB.
    static let page: Int64 = 100_000
}

extension WorkspaceTransaction {
    /// The identifiers of users, all kinds.
    borrowing func identifiers(of numbers: [UserNumber]) throws -> [HeldIdentifier] {
        try query(
            """
            SELECT x.kind, x.label, x.name, n.user_number FROM unnest(\(numbers)) n (user_number) CROSS JOIN LATERAL (
                SELECT 1 AS kind, NULL::text AS label, u.external_id AS name FROM registered_user u
                WHERE u.workspace_id = \(workspace) AND u.user_number = n.user_number AND u.external_id IS NOT NULL
                UNION ALL
                SELECT 1, NULL, d.external_id FROM deprecated_external_id d
                WHERE d.workspace_id = \(workspace) AND d.user_number = n.user_number
                UNION ALL
                SELECT 2, a.alias_label, a.alias_name FROM user_alias a
                WHERE a.workspace_id = \(workspace) AND a.user_number = n.user_number
                UNION ALL
                SELECT 3, NULL, v.device_id FROM user_device v
                WHERE v.workspace_id = \(workspace) AND v.user_number = n.user_number
            ) x
            """
        ) { row in HeldIdentifier(identifier: try row.identifier(0), user: try row.value(3)) }
    }

    /// Passes all identifiers of the workspace, page by page in the order of an index.
    borrowing func forEachIdentifier(_ body: (HeldIdentifier) throws -> Void) throws {
        try forEachPage(body) { last in
            """
            SELECT 1, NULL::text, external_id, user_number FROM registered_user
            WHERE workspace_id = \(workspace) AND user_number > \(last.map { Int64($0.user.rawValue) } ?? -1)
                AND external_id IS NOT NULL
            ORDER BY user_number LIMIT \(HeldIdentifier.page)
            """
        }
        try forEachPage(body) { last in
            """
            SELECT 1, NULL::text, external_id, user_number FROM deprecated_external_id
            WHERE workspace_id = \(workspace) AND external_id > \(last?.identifier.name ?? "")
            ORDER BY external_id LIMIT \(HeldIdentifier.page)
            """
        }
        try forEachPage(body) { last in
            """
            SELECT 2, alias_label, alias_name, user_number FROM user_alias
            WHERE workspace_id = \(workspace)
                AND (alias_label, alias_name) > (\(last?.identifier.aliasLabel ?? ""), \(last?.identifier.name ?? ""))
            ORDER BY alias_label, alias_name LIMIT \(HeldIdentifier.page)
            """
        }
        try forEachPage(body) { last in
            """
            SELECT 3, NULL::text, device_id, user_number FROM user_device
            WHERE workspace_id = \(workspace) AND device_id > \(last?.identifier.name ?? "")
            ORDER BY device_id LIMIT \(HeldIdentifier.page)
            """
        }
    }

    private borrowing func forEachPage(
        _ body: (HeldIdentifier) throws -> Void, _ sql: (_ last: HeldIdentifier?) -> SQL
    ) throws {
        var last: HeldIdentifier?
        repeat {
            var count: Int64 = 0
            try forEach(sql(last)) { row in
                let held = HeldIdentifier(identifier: try row.identifier(0), user: try row.value(3))
                try body(held)
                (last, count) = (held, count + 1)
            }
            if count < HeldIdentifier.page { return }
        } while true
    }
}

extension UserReference {
    var aliasLabel: Identifier? { if case .alias(let alias) = self { alias.label } else { nil } }

    /// The identifier itself, without the label of an alias.
    fileprivate var name: Identifier? {
        switch self {
        case .externalID(let id), .deviceID(let id), .brazeID(let id): id
        case .alias(let alias): alias.name
        case .email, .phone: nil
        }
    }
}

extension Row {
    /// An identifier: the kind at `column`, as digests have it, then the label of an alias, then the identifier.
    borrowing func identifier(_ column: Int) throws -> UserReference {
        let name: Identifier = try value(column + 2)
        switch try value(column, as: Int32.self) {
        case 1: return .externalID(name)
        case 2: return .alias(Alias(label: try value(column + 1), name: name))
        case 3: return .deviceID(name)
        default: throw PostgresError(.decoding, "an identifier is of an unknown kind")
        }
    }
}
