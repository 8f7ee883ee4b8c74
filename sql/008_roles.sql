-- Tenant isolation. The server runs as muster_server, which owns nothing and sees one workspace per transaction. The
-- owner, who runs the migrations, sees all; otherwise its migrations would silently change no row.

DO $$
BEGIN
    CREATE ROLE muster_server LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
EXCEPTION
    -- Roles belong to the whole cluster: migrations of another database may have created it, even concurrently.
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

DO $$
DECLARE
    walled text;
BEGIN
    FOREACH walled IN ARRAY ARRAY[
        'identity', 'definitions', 'request_record', 'partner', 'api_key', 'registered_user', 'user_alias', 'user_device',
        'deprecated_external_id', 'merged_user', 'set_head', 'set_change', 'set_snapshot', 'set_chunk', 'cohort',
        'cohort_import', 'segment', 'segment_cohort', 'segment_segment', 'user_event', 'user_purchase',
        'segment_export', 'export_chunk', 'segment_size'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
        -- The setting is '' after a transaction that set it, and null in a session that never set it.
        EXECUTE format(
            'CREATE POLICY one_workspace ON %I TO muster_server USING (workspace_id = NULLIF(current_setting(''muster.workspace'', true), '''')::int4)',
            walled);
        EXECUTE format('CREATE POLICY owner_sees_all ON %I TO CURRENT_USER USING (true)', walled);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO muster_server', walled);
    END LOOP;
END
$$;

GRANT SELECT ON workspace, migration TO muster_server;
GRANT USAGE ON SEQUENCE set_number TO muster_server;
GRANT EXECUTE ON FUNCTION add_event_months(timestamptz), drop_event_months(timestamptz, int8) TO muster_server;
DO $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO muster_server', current_schema());
END
$$;
