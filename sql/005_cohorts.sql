-- Cohorts, the receipts of their imports, and segments.

CREATE TABLE cohort (
    workspace_id int4 NOT NULL,
    partner text COLLATE "C" NOT NULL,
    cohort_id text COLLATE "C" NOT NULL,
    set_number int4 NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT cohort_pkey PRIMARY KEY (workspace_id, partner, cohort_id),
    CONSTRAINT cohort_set_unique UNIQUE (workspace_id, set_number),
    CONSTRAINT cohort_partner FOREIGN KEY (workspace_id, partner) REFERENCES partner,
    CONSTRAINT cohort_set FOREIGN KEY (workspace_id, set_number) REFERENCES set_head,
    CONSTRAINT cohort_id_length CHECK (octet_length(cohort_id) BETWEEN 1 AND 256),
    CONSTRAINT cohort_name_length CHECK (octet_length(name) BETWEEN 1 AND 512)
);
COMMENT ON TABLE cohort IS 'A named set of users that a partner computed.';

CREATE TABLE cohort_import (
    workspace_id int4 NOT NULL,
    set_number int4 NOT NULL,
    version int8 NOT NULL,
    partner text COLLATE "C" NOT NULL,
    from_caller bool NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    payload_digest bytea NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    imported_at timestamptz NOT NULL,
    size int8 NOT NULL,
    outcomes bytea NOT NULL,
    shape bytea NOT NULL,
    CONSTRAINT cohort_import_pkey PRIMARY KEY (workspace_id, set_number, version),
    CONSTRAINT cohort_import_request_unique UNIQUE (workspace_id, partner, from_caller, request_id),
    CONSTRAINT cohort_import_workspace FOREIGN KEY (workspace_id) REFERENCES workspace,
    CONSTRAINT cohort_import_digest CHECK (octet_length(payload_digest) = 32)
);
COMMENT ON TABLE cohort_import IS
    'What became of every import. No foreign key to the set: a request id outlives its cohort, so that a late repeat does nothing.';
COMMENT ON COLUMN cohort_import.from_caller IS
    'False: the caller gave no request id, and this one is the server''s, which needs one to find out what became of a COMMIT.';
COMMENT ON COLUMN cohort_import.outcomes IS
    'Runs in the order of the request, each a byte (the outcome, counted from 0: added, removed, unchanged, unknown, identified_device, invalid, repeated) and a varint. Never an identifier.';
COMMENT ON COLUMN cohort_import.shape IS
    'How the identifiers were laid out: for each object of the request three varints, the numbers of its user_ids, device_ids and aliases.';
ALTER TABLE cohort_import ALTER outcomes SET STORAGE EXTERNAL;

CREATE TABLE segment (
    workspace_id int4 NOT NULL,
    segment_id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    filter jsonb NOT NULL,
    version int8 NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT segment_pkey PRIMARY KEY (workspace_id, segment_id),
    CONSTRAINT segment_workspace FOREIGN KEY (workspace_id) REFERENCES workspace,
    CONSTRAINT segment_id_length CHECK (octet_length(segment_id) BETWEEN 1 AND 256),
    CONSTRAINT segment_name_length CHECK (octet_length(name) BETWEEN 1 AND 512)
);
COMMENT ON TABLE segment IS 'A saved filter. version rises with every change of the filter; no two definitions of a workspace ever had the same.';

CREATE TABLE segment_cohort (
    workspace_id int4 NOT NULL,
    segment_id text COLLATE "C" NOT NULL,
    partner text COLLATE "C" NOT NULL,
    cohort_id text COLLATE "C" NOT NULL,
    CONSTRAINT segment_cohort_pkey PRIMARY KEY (workspace_id, segment_id, partner, cohort_id),
    CONSTRAINT segment_cohort_segment FOREIGN KEY (workspace_id, segment_id) REFERENCES segment ON DELETE CASCADE,
    CONSTRAINT segment_cohort_cohort FOREIGN KEY (workspace_id, partner, cohort_id) REFERENCES cohort
);
COMMENT ON TABLE segment_cohort IS 'Which cohorts a filter names, so that none of them can go.';
CREATE INDEX segment_cohort_users ON segment_cohort (workspace_id, partner, cohort_id);

CREATE TABLE segment_segment (
    workspace_id int4 NOT NULL,
    segment_id text COLLATE "C" NOT NULL,
    used_segment_id text COLLATE "C" NOT NULL,
    CONSTRAINT segment_segment_pkey PRIMARY KEY (workspace_id, segment_id, used_segment_id),
    CONSTRAINT segment_segment_segment FOREIGN KEY (workspace_id, segment_id) REFERENCES segment ON DELETE CASCADE,
    CONSTRAINT segment_segment_used FOREIGN KEY (workspace_id, used_segment_id) REFERENCES segment
);
COMMENT ON TABLE segment_segment IS 'Which segments a filter names, so that none of them can go.';
CREATE INDEX segment_segment_users ON segment_segment (workspace_id, used_segment_id);
