-- Maintenance finds its work by an index or a maintained number, so that a pass without work costs almost nothing.

CREATE TABLE ended_set (
    workspace_id int4 NOT NULL,
    set_number int4 NOT NULL,
    ended_at timestamptz NOT NULL,
    CONSTRAINT ended_set_pkey PRIMARY KEY (workspace_id, set_number),
    CONSTRAINT ended_set_workspace FOREIGN KEY (workspace_id) REFERENCES workspace
);
COMMENT ON TABLE ended_set IS
    'Sets of cohorts that were deleted and may have receipts still. Upkeep ends those once no repeat of an import has to be recognized any more, and then the row.';
CREATE INDEX ended_set_age ON ended_set (workspace_id, ended_at);

ALTER TABLE ended_set ENABLE ROW LEVEL SECURITY;
ALTER TABLE ended_set FORCE ROW LEVEL SECURITY;
CREATE POLICY one_workspace ON ended_set TO muster_server
    USING (workspace_id = NULLIF(current_setting('muster.workspace', true), '')::int4);
CREATE POLICY owner_sees_all ON ended_set TO CURRENT_USER USING (true);
GRANT SELECT, INSERT, DELETE ON ended_set TO muster_server;

INSERT INTO ended_set (workspace_id, set_number, ended_at)
SELECT DISTINCT i.workspace_id, i.set_number, now() FROM cohort_import i
WHERE NOT EXISTS (SELECT FROM cohort c WHERE c.workspace_id = i.workspace_id AND c.set_number = i.set_number);

-- Receipts are deleted oldest first if history is limited.
CREATE INDEX cohort_import_age ON cohort_import (workspace_id, imported_at);
ALTER TABLE cohort ADD forgotten_import_at timestamptz;
COMMENT ON COLUMN cohort.forgotten_import_at IS 'The time of the newest import whose receipt was forgotten.';

CREATE INDEX set_head_expiry ON set_head (workspace_id, expires_at) WHERE expires_at IS NOT NULL;

-- The difference of the two is the size of the tail, without reading its changes.
ALTER TABLE set_head ADD log_bytes int8 NOT NULL DEFAULT 0;
ALTER TABLE set_snapshot ADD log_bytes int8 NOT NULL DEFAULT 0;
COMMENT ON COLUMN set_head.log_bytes IS 'Bytes of all changes that were appended since the schema knows them.';
COMMENT ON COLUMN set_snapshot.log_bytes IS 'What log_bytes of the head was at the snapshot''s version.';
UPDATE set_head h SET log_bytes = tail.bytes
FROM (
    SELECT c.workspace_id, c.set_number,
        sum(coalesce(octet_length(c.added), 0) + coalesce(octet_length(c.removed), 0)) AS bytes
    FROM set_change c
    LEFT JOIN set_snapshot s ON s.workspace_id = c.workspace_id AND s.set_number = c.set_number
    WHERE c.version > coalesce(s.version, 0)
    GROUP BY c.workspace_id, c.set_number
) tail
WHERE h.workspace_id = tail.workspace_id AND h.set_number = tail.set_number;
