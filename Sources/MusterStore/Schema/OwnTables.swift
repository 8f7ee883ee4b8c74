import Postgres

/// Muster's own tables, identified by their names, as its functions are. Other tables in the schema, such as an owner's
/// copy of a table, are ignored, whatever columns they have.
enum OwnTables {
    /// Their rows of `pg_class` in the schema of the connection; those of partitions have `relispartition`. The tables
    /// `identity` and `definitions` are of schemas before 16, whose migration must see all of their rows.
    static let query: SQL = """
        SELECT c.oid, c.relname, c.relispartition, c.relowner, c.relrowsecurity, c.relforcerowsecurity, c.relacl
        FROM pg_class c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND (
            c.relname IN (
                'migration', 'workspace', 'request_record', 'partner', 'api_key', 'page_token_key', 'identifier_digest_key',
                'registered_user', 'deprecated_external_id', 'user_alias', 'user_device', 'merged_user',
                'attribute_change', 'definition_change', 'identifier_change',
                'set_head', 'set_change', 'set_snapshot', 'set_chunk', 'ended_set', 'cohort', 'cohort_import',
                'segment', 'segment_cohort', 'segment_segment', 'segment_export', 'export_chunk', 'segment_size',
                'user_event', 'user_purchase', 'erasure_to_journal')
            OR c.relname IN ('identity', 'definitions') AND to_regclass('identifier_change') IS NULL
            OR EXISTS (
                SELECT FROM pg_inherits JOIN pg_class parent ON parent.oid = inhparent
                WHERE inhrelid = c.oid AND parent.relnamespace = c.relnamespace
                    AND parent.relname IN ('user_event', 'user_purchase')))
        """
}
