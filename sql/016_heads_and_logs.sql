-- Everything that an answer depends on has a head with version and tag: also identities, definitions and identifiers.
-- Two logs record what changed at each version, so that servers bring up to date what they keep in memory.

ALTER TABLE set_head DROP CONSTRAINT set_head_kind;
ALTER TABLE set_head ADD CONSTRAINT set_head_kind CHECK (
    kind IN ('everyone', 'attributes', 'events', 'identity', 'definitions', 'identifiers', 'cohort', 'listing'));

-- A tag is random and never 0, the tag of an empty history. The identifiers that exist now are in no log, so their head
-- begins with version 1, and version 0 always is a workspace without users.
INSERT INTO set_head (workspace_id, set_number, kind, version, tag)
SELECT w.workspace_id, h.set_number, h.kind, h.version,
    CASE WHEN h.version = 0 THEN 0
        ELSE ('x' || left(replace(gen_random_uuid()::text, '-', ''), 12) || left(gen_random_uuid()::text, 4))::bit(64)::int8 | 1 END
FROM workspace w
LEFT JOIN identity i ON i.workspace_id = w.workspace_id
LEFT JOIN definitions d ON d.workspace_id = w.workspace_id
CROSS JOIN LATERAL (VALUES
    (3, 'identity', coalesce(i.counter, 0)), (4, 'definitions', coalesce(d.version, 0)), (5, 'identifiers', 1)
) AS h (set_number, kind, version);
DROP TABLE identity, definitions;
-- Deprecated external ids are in the directory, and a read by SQL looks for them where it has not found one.
ALTER TABLE set_head DROP COLUMN has_deprecated_ids;

COMMENT ON SEQUENCE set_number IS
    'Numbers of sets; below 16 stand the heads that every workspace has: 0 everyone, 1 attributes, 2 events, 3 identity, 4 definitions, 5 identifiers.';
COMMENT ON COLUMN set_head.kind IS
    'identity: raised by whatever ends or moves a binding of an identifier to a user; whoever resolved identifiers holds it FOR SHARE while it writes. definitions: saved filters of a workspace change one at a time under it, so that no cycle slips in. identifiers: raised by every change of which identifier finds which user.';
COMMENT ON COLUMN segment_export.identity_counter IS
    'The version of the workspace''s head of identity as of which all users in the archive were there. Maintenance looks again once it has risen.';

CREATE TABLE definition_change (
    workspace_id int4 NOT NULL,
    version int8 NOT NULL,
    previous_tag int8 NOT NULL,
    segment_ids text[] COLLATE "C" NOT NULL,
    CONSTRAINT definition_change_pkey PRIMARY KEY (workspace_id, version),
    CONSTRAINT definition_change_version_positive CHECK (version > 0),
    CONSTRAINT definition_change_workspace FOREIGN KEY (workspace_id) REFERENCES workspace
);
COMMENT ON TABLE definition_change IS
    'The segments that were made, changed or deleted at a version of the head of definitions. Only the newest are kept.';
COMMENT ON COLUMN definition_change.previous_tag IS
    'The tag of the version before: tells histories apart that share version numbers.';

CREATE TABLE identifier_change (
    workspace_id int4 NOT NULL,
    version int8 NOT NULL,
    previous_tag int8 NOT NULL,
    come bytea NOT NULL,
    gone bytea NOT NULL,
    log_bytes int8 NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT identifier_change_pkey PRIMARY KEY (workspace_id, version),
    CONSTRAINT identifier_change_version_positive CHECK (version > 0),
    CONSTRAINT identifier_change_come_whole CHECK (octet_length(come) % 20 = 0),
    CONSTRAINT identifier_change_gone_whole CHECK (octet_length(gone) % 16 = 0)
);
COMMENT ON TABLE identifier_change IS
    'Which identifiers found another user from a version of the head of identifiers on. It has keyed digests of them and no identifier. Maintenance deletes changes after a day, and earlier where there are many.';
COMMENT ON COLUMN identifier_change.previous_tag IS
    'The tag of the version before: tells histories apart that share version numbers.';
COMMENT ON COLUMN identifier_change.come IS
    'Entries of 20 bytes: the digest of an identifier (16), and the number of the user whom it finds now (4, highest first), whose top bit says that it is an external id.';
COMMENT ON COLUMN identifier_change.gone IS 'Digests, 16 bytes each, of identifiers that find nobody any more.';
COMMENT ON COLUMN identifier_change.log_bytes IS
    'What log_bytes of the head is at this version, so that maintenance finds the changes beyond a size without reading them all.';
-- Digests are random bytes, which do not compress.
ALTER TABLE identifier_change ALTER come SET STORAGE EXTERNAL, ALTER gone SET STORAGE EXTERNAL;
ALTER TABLE identifier_change ADD CONSTRAINT identifier_change_workspace FOREIGN KEY (workspace_id) REFERENCES workspace;

CREATE TABLE identifier_digest_key (
    workspace_id int4 NOT NULL,
    key bytea NOT NULL,
    CONSTRAINT identifier_digest_key_pkey PRIMARY KEY (workspace_id),
    CONSTRAINT identifier_digest_key_workspace FOREIGN KEY (workspace_id) REFERENCES workspace,
    CONSTRAINT identifier_digest_key_length CHECK (octet_length(key) = 16)
);
COMMENT ON TABLE identifier_digest_key IS
    'The secret with which identifiers of a workspace are hashed. It never changes, since the log has digests of it.';

-- The first 12 digits of a random UUID are random. The program generates the keys of new workspaces.
INSERT INTO identifier_digest_key (workspace_id, key)
SELECT workspace_id, decode(
    left(replace(gen_random_uuid()::text, '-', ''), 12) || left(replace(gen_random_uuid()::text, '-', ''), 12)
        || left(gen_random_uuid()::text, 8), 'hex')
FROM workspace;

DO $$
DECLARE
    walled text;
BEGIN
    FOREACH walled IN ARRAY ARRAY['definition_change', 'identifier_change', 'identifier_digest_key'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
        EXECUTE format(
            'CREATE POLICY one_workspace ON %I TO muster_server USING (workspace_id = NULLIF(current_setting(''muster.workspace'', true), '''')::int4)',
            walled);
        EXECUTE format('CREATE POLICY owner_sees_all ON %I TO CURRENT_USER USING (true)', walled);
    END LOOP;
END
$$;
GRANT SELECT, INSERT, DELETE ON definition_change, identifier_change TO muster_server;
GRANT SELECT ON identifier_digest_key TO muster_server;
