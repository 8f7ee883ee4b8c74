-- Exports that run in the background, and sizes of segments by day.

CREATE TABLE segment_export (
    workspace_id int4 NOT NULL,
    export_id text COLLATE "C" NOT NULL,
    segment_id text COLLATE "C" NOT NULL,
    token_digest bytea NOT NULL,
    shape jsonb NOT NULL,
    state text COLLATE "C" NOT NULL DEFAULT 'waiting',
    attempt int4 NOT NULL DEFAULT 0,
    lease_until timestamptz,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    byte_count int8,
    user_set int4,
    CONSTRAINT segment_export_pkey PRIMARY KEY (workspace_id, export_id),
    CONSTRAINT segment_export_token_unique UNIQUE (workspace_id, token_digest),
    CONSTRAINT segment_export_workspace FOREIGN KEY (workspace_id) REFERENCES workspace,
    CONSTRAINT segment_export_digest CHECK (octet_length(token_digest) = 32),
    CONSTRAINT segment_export_state CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    CONSTRAINT segment_export_lease CHECK ((state = 'running') = (lease_until IS NOT NULL)),
    CONSTRAINT segment_export_expires CHECK ((state IN ('waiting', 'running')) = (expires_at IS NULL)),
    CONSTRAINT segment_export_result CHECK ((state = 'done') = (byte_count IS NOT NULL AND user_set IS NOT NULL))
);
COMMENT ON TABLE segment_export IS
    'An export of a segment: a job that any server takes, for as long as it renews its lease, and afterwards its archive. No foreign key to the segment, which may go before its archive does.';
COMMENT ON COLUMN segment_export.token_digest IS 'SHA-256 of the secret part of the archive''s address.';
COMMENT ON COLUMN segment_export.shape IS 'Which fields of users are wanted.';
COMMENT ON COLUMN segment_export.attempt IS
    'Rises with every server that takes the job. One that was thought dead writes nothing more, since its number is not the last.';
COMMENT ON COLUMN segment_export.user_set IS
    'A stored listing of the users in the archive: it is not handed out any more once one of them is erased.';
CREATE UNIQUE INDEX segment_export_one_at_a_time ON segment_export (workspace_id, segment_id)
    WHERE state IN ('waiting', 'running');

CREATE TABLE export_chunk (
    workspace_id int4 NOT NULL,
    export_id text COLLATE "C" NOT NULL,
    chunk int4 NOT NULL,
    bytes bytea NOT NULL,
    CONSTRAINT export_chunk_pkey PRIMARY KEY (workspace_id, export_id, chunk),
    CONSTRAINT export_chunk_export FOREIGN KEY (workspace_id, export_id) REFERENCES segment_export ON DELETE CASCADE
);
COMMENT ON TABLE export_chunk IS 'The archive of an export, in stretches of 1 MiB from 0 on, so that every server can hand it out.';
ALTER TABLE export_chunk ALTER bytes SET STORAGE EXTERNAL;

CREATE TABLE segment_size (
    workspace_id int4 NOT NULL,
    segment_id text COLLATE "C" NOT NULL,
    day date NOT NULL,
    size int8 NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT segment_size_pkey PRIMARY KEY (workspace_id, segment_id, day),
    CONSTRAINT segment_size_segment FOREIGN KEY (workspace_id, segment_id) REFERENCES segment ON DELETE CASCADE,
    CONSTRAINT segment_size_not_negative CHECK (size >= 0)
);
COMMENT ON TABLE segment_size IS 'How large each segment was on each day (UTC), counted once, by whichever server came first.';
