import Postgres

/// One difference from the required owners, row-level security, policies and grants, and the statement that repairs it.
///
/// All of Muster's tables but `workspace` and `migration` have row-level security. All belong to the owner of
/// `migration`.
struct AccessChange: Sendable, Equatable {
    enum Part: String, Sendable {
        case owners
        case rowSecurity = "row security"
        case policies, grants
    }

    let part: Part
    let statement: String

    /// All differences from what `role` as the server and the present owner of the tables need, in the order of repair.
    static func all(for role: ServerRole, _ connection: borrowing Connection) throws -> [AccessChange] {
        func changes(_ part: Part, _ sql: SQL) throws -> [AccessChange] {
            try connection.query(sql) { row in AccessChange(part: part, statement: try row.value(0)) }
        }
        return try changes(.owners, owners) + changes(.rowSecurity, rowSecurity) + changes(.policies, policies(role))
            + changes(.grants, grants(role)) + changes(.grants, schemaGrants(role))
    }

    // MARK: Catalog

    /// The common head of all statements here: Muster's tables and functions, its owner, and the roles that the
    /// policies name as the server.
    private static let catalog: SQL = """
        WITH own_table AS (
            SELECT oid, relname, relispartition, relowner, relrowsecurity, relforcerowsecurity,
                relname NOT IN ('workspace', 'migration') AS is_isolated,
                coalesce(relacl, acldefault('r', relowner)) AS acl
            FROM (\(OwnTables.query)) t
        ), own_function AS (
            SELECT p.oid, p.oid::regprocedure::text AS name, proowner, coalesce(proacl, acldefault('f', proowner)) AS acl,
                proname IN ('add_event_months', 'drop_event_months') AS is_for_server
            FROM pg_proc p
            WHERE pronamespace = current_schema()::regnamespace AND proname IN (
                'wall_event_partition', 'add_event_month', 'add_event_months', 'drop_event_months', 'expired_event_months')
        ), own_sequence AS (
            SELECT relname, relowner, coalesce(relacl, acldefault('s', relowner)) AS acl FROM pg_class
            WHERE relnamespace = current_schema()::regnamespace AND relkind = 'S' AND relname = 'set_number'
        ), owner AS (
            SELECT r.oid, rolname AS name FROM own_table t JOIN pg_roles r ON r.oid = relowner WHERE relname = 'migration'
        ), named_before AS (
            SELECT DISTINCT r.oid, rolname AS name
            FROM own_table t JOIN pg_policy ON polrelid = t.oid AND polname = 'one_workspace'
            JOIN pg_roles r ON r.oid = ANY (polroles)
            WHERE r.oid NOT IN (SELECT oid FROM owner)
        )
        """

    /// The condition of the policy `one_workspace`, as PostgreSQL prints it.
    static let oneWorkspace =
        "(workspace_id = (NULLIF(current_setting('muster.workspace'::text, true), ''::text))::integer)"

    private static let owners: SQL = """
        \(catalog)
        SELECT format('ALTER TABLE %I OWNER TO %I', relname, owner.name) FROM own_table, owner WHERE relowner <> owner.oid
        UNION ALL
        SELECT format('ALTER SEQUENCE %I OWNER TO %I', relname, owner.name) FROM own_sequence, owner WHERE relowner <> owner.oid
        UNION ALL
        SELECT format('ALTER FUNCTION %s OWNER TO %I', f.name, owner.name) FROM own_function f, owner WHERE proowner <> owner.oid
        """

    private static let rowSecurity: SQL = """
        \(catalog)
        SELECT format('ALTER TABLE %1$I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', relname)
        FROM own_table WHERE is_isolated AND NOT (relrowsecurity AND relforcerowsecurity)
        UNION ALL
        SELECT format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', relname)
        FROM own_table WHERE NOT is_isolated AND relrowsecurity
        """

    /// Partitions have only the owner's policy: the server reaches their rows through the parent.
    private static func policies(_ role: ServerRole) -> SQL {
        """
        \(catalog)
        SELECT format('DROP POLICY IF EXISTS %1$I ON %2$I; CREATE POLICY %1$I ON %2$I TO %3$I USING (%4$s)',
            wanted.name, relname, wanted.role, condition)
        FROM own_table t, owner, LATERAL (VALUES
            ('one_workspace', \(role.name), \(oneWorkspace), NOT relispartition), ('owner_sees_all', owner.name, 'true', true)
        ) AS wanted(name, role, condition, is_wanted)
        WHERE is_isolated AND is_wanted AND NOT EXISTS (
            SELECT FROM pg_policy p
            WHERE polrelid = t.oid AND polname = wanted.name AND polpermissive AND polcmd = '*' AND polwithcheck IS NULL
                AND polroles = ARRAY(SELECT r.oid FROM pg_roles r WHERE rolname = wanted.role)
                AND pg_get_expr(polqual, polrelid) = condition)
        ORDER BY relname
        """
    }

    /// Grants that the server's role lacks, surplus grants, and grants left to an earlier server role. TRUNCATE, for
    /// one, bypasses all policies. For functions that run as the owner this includes grants to PUBLIC, which a dump
    /// restored without privileges leaves behind.
    private static func grants(_ role: ServerRole) -> SQL {
        """
        \(catalog), granted AS (
            SELECT format('TABLE %I', relname) AS object, acl, CASE
                WHEN relispartition THEN '{}'
                WHEN NOT is_isolated OR relname IN ('page_token_key', 'identifier_digest_key') THEN '{SELECT}'
                WHEN relname IN (
                    'ended_set', 'attribute_change', 'definition_change', 'identifier_change', 'erasure_to_journal'
                ) THEN '{SELECT,INSERT,DELETE}'
                ELSE '{SELECT,INSERT,UPDATE,DELETE}' END::text[] AS wanted
            FROM own_table
            UNION ALL SELECT format('SEQUENCE %I', relname), acl, '{USAGE}' FROM own_sequence
            UNION ALL SELECT 'FUNCTION ' || name, acl, CASE WHEN is_for_server THEN '{EXECUTE}' ELSE '{}' END::text[]
            FROM own_function
        ), server AS (SELECT oid, rolname AS name FROM pg_roles WHERE rolname = \(role.name)), compared AS (
            SELECT object, server.name,
                ARRAY(SELECT unnest(wanted) EXCEPT SELECT privilege_type FROM aclexplode(acl) WHERE grantee = server.oid) AS lacks,
                ARRAY(SELECT privilege_type FROM aclexplode(acl) WHERE grantee = server.oid EXCEPT SELECT unnest(wanted)) AS exceeds
            FROM granted, server
        )
        SELECT format('REVOKE ALL ON %s FROM %I', object, b.name) FROM granted, named_before b
        WHERE b.name <> \(role.name) AND EXISTS (SELECT FROM aclexplode(acl) WHERE grantee = b.oid)
        UNION ALL
        SELECT format('REVOKE ALL ON %s FROM PUBLIC', object) FROM granted
        WHERE object LIKE 'FUNCTION %' AND EXISTS (SELECT FROM aclexplode(acl) WHERE grantee = 0)
        UNION ALL
        SELECT format('REVOKE %s ON %s FROM %I', array_to_string(exceeds, ', '), object, name) FROM compared WHERE exceeds <> '{}'
        UNION ALL
        SELECT format('GRANT %s ON %s TO %I', array_to_string(lacks, ', '), object, name) FROM compared WHERE lacks <> '{}'
        """
    }

    private static func schemaGrants(_ role: ServerRole) -> SQL {
        """
        \(catalog)
        SELECT format('REVOKE ALL ON SCHEMA %I FROM %I', nspname, b.name) FROM named_before b, pg_namespace
        WHERE nspname = current_schema() AND b.name <> \(role.name)
            AND EXISTS (SELECT FROM aclexplode(nspacl) WHERE grantee = b.oid)
        UNION ALL
        SELECT format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), rolname) FROM pg_roles
        WHERE rolname = \(role.name) AND NOT has_schema_privilege(rolname, current_schema(), 'USAGE')
        """
    }
}
