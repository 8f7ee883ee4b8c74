-- Workspaces, and the rows whose locks order operations on a whole workspace.

COMMENT ON TABLE migration IS 'The migrations that were applied; a server refuses to serve any other schema than its own.';

CREATE TABLE workspace (
    workspace_id int4 GENERATED ALWAYS AS IDENTITY,
    name text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT workspace_pkey PRIMARY KEY (workspace_id),
    CONSTRAINT workspace_name_unique UNIQUE (name),
    CONSTRAINT workspace_name_length CHECK (octet_length(name) BETWEEN 1 AND 512)
);
COMMENT ON TABLE workspace IS 'One company''s data. The only table that is not behind the wall of workspace_id.';

CREATE TABLE identity (
    workspace_id int4 NOT NULL,
    counter int8 NOT NULL DEFAULT 0,
    CONSTRAINT identity_pkey PRIMARY KEY (workspace_id),
    CONSTRAINT identity_workspace FOREIGN KEY (workspace_id) REFERENCES workspace
);
COMMENT ON TABLE identity IS
    'Whatever ends or moves a binding of an identifier to a user locks this row and raises the counter; whoever resolved identifiers holds it FOR SHARE while it writes.';

CREATE TABLE definitions (
    workspace_id int4 NOT NULL,
    version int8 NOT NULL DEFAULT 0,
    CONSTRAINT definitions_pkey PRIMARY KEY (workspace_id),
    CONSTRAINT definitions_workspace FOREIGN KEY (workspace_id) REFERENCES workspace
);
COMMENT ON TABLE definitions IS 'Saved filters of a workspace change one at a time under this row, so that no cycle slips in.';

CREATE TABLE request_record (
    workspace_id int4 NOT NULL,
    method text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    payload_digest bytea NOT NULL,
    reply bytea NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT request_record_pkey PRIMARY KEY (workspace_id, method, request_id),
    CONSTRAINT request_record_workspace FOREIGN KEY (workspace_id) REFERENCES workspace,
    CONSTRAINT request_record_digest CHECK (octet_length(payload_digest) = 32)
);
COMMENT ON TABLE request_record IS 'Answers by request id, so that a repeat has no second effect. Imports keep theirs in cohort_import.';
CREATE INDEX request_record_age ON request_record (workspace_id, recorded_at);
