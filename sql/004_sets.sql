-- Sets of user numbers: a head, an append-only log of changes, and snapshots. They are independent of cohorts.
-- A stored set is 8 bytes of checksum and a bitmap in Roaring's portable format.

CREATE SEQUENCE set_number AS int4 MINVALUE 16;
COMMENT ON SEQUENCE set_number IS 'Numbers of sets; below 16 stand the sets that every workspace has: 0 everyone, 1 attributes, 2 events.';

CREATE TABLE set_head (
    workspace_id int4 NOT NULL,
    set_number int4 NOT NULL DEFAULT nextval('set_number'),
    kind text COLLATE "C" NOT NULL,
    version int8 NOT NULL DEFAULT 0,
    tag int8 NOT NULL DEFAULT 0,
    size int8 NOT NULL DEFAULT 0,
    next_user_number int4,
    has_deprecated_ids bool NOT NULL DEFAULT false,
    expires_at timestamptz,
    CONSTRAINT set_head_pkey PRIMARY KEY (workspace_id, set_number),
    CONSTRAINT set_head_workspace FOREIGN KEY (workspace_id) REFERENCES workspace,
    CONSTRAINT set_head_kind CHECK (kind IN ('everyone', 'attributes', 'events', 'cohort', 'listing')),
    CONSTRAINT set_head_version_not_negative CHECK (version >= 0),
    CONSTRAINT set_head_size_not_negative CHECK (size >= 0),
    CONSTRAINT set_head_numbers_of_everyone CHECK ((kind = 'everyone') = (next_user_number IS NOT NULL)),
    CONSTRAINT set_head_listing_expires CHECK ((kind = 'listing') = (expires_at IS NOT NULL))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
COMMENT ON TABLE set_head IS
    'A set''s version, without gaps and in commit order because writers take this row''s lock, and its tag, which tells histories apart that share version numbers.';
COMMENT ON COLUMN set_head.has_deprecated_ids IS
    'Of everyone: whether deprecated_external_id may have rows, so that only the reads of such a workspace look there.';
COMMENT ON COLUMN set_head.next_user_number IS 'Of everyone: the next number to give out. Not derived from a size: numbers are never used twice.';

CREATE TABLE set_change (
    workspace_id int4 NOT NULL,
    set_number int4 NOT NULL,
    version int8 NOT NULL,
    previous_tag int8 NOT NULL,
    tag int8 NOT NULL,
    added bytea,
    removed bytea,
    changed_at timestamptz NOT NULL,
    CONSTRAINT set_change_pkey PRIMARY KEY (workspace_id, set_number, version),
    CONSTRAINT set_change_head FOREIGN KEY (workspace_id, set_number) REFERENCES set_head ON DELETE CASCADE,
    CONSTRAINT set_change_version_positive CHECK (version > 0)
);
COMMENT ON TABLE set_change IS 'What was really added and really removed, so that a change is its own inverse. Null: nothing.';
ALTER TABLE set_change ALTER added SET STORAGE EXTERNAL, ALTER removed SET STORAGE EXTERNAL;

CREATE TABLE set_snapshot (
    workspace_id int4 NOT NULL,
    set_number int4 NOT NULL,
    version int8 NOT NULL,
    tag int8 NOT NULL,
    size int8 NOT NULL,
    CONSTRAINT set_snapshot_pkey PRIMARY KEY (workspace_id, set_number),
    CONSTRAINT set_snapshot_head FOREIGN KEY (workspace_id, set_number) REFERENCES set_head ON DELETE CASCADE
);
COMMENT ON TABLE set_snapshot IS 'The set at one version, apart from the head, so that folding never waits for imports.';

CREATE TABLE set_chunk (
    workspace_id int4 NOT NULL,
    set_number int4 NOT NULL,
    chunk int4 NOT NULL,
    members bytea NOT NULL,
    CONSTRAINT set_chunk_pkey PRIMARY KEY (workspace_id, set_number, chunk),
    CONSTRAINT set_chunk_snapshot FOREIGN KEY (workspace_id, set_number) REFERENCES set_snapshot ON DELETE CASCADE
);
COMMENT ON TABLE set_chunk IS 'The members of a snapshot with numbers in [chunk * 2^20, (chunk + 1) * 2^20).';
ALTER TABLE set_chunk ALTER members SET STORAGE EXTERNAL;
