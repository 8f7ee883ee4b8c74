-- Erasures that the journal outside of the database lacks. The journal names registrations by braze_id, which is random
-- from each row's creation on, also in backups before this migration, and not derived from a number that is reused.

CREATE TABLE erasure_to_journal (
    workspace_id int4 NOT NULL,
    braze_id text COLLATE "C" NOT NULL,
    erased_at timestamptz NOT NULL,
    CONSTRAINT erasure_to_journal_pkey PRIMARY KEY (workspace_id, braze_id),
    CONSTRAINT erasure_to_journal_workspace FOREIGN KEY (workspace_id) REFERENCES workspace
);
COMMENT ON TABLE erasure_to_journal IS
    'Erased registrations that the journal lacks as yet, written in the transaction of the erasure. A row goes once its line is on disk; an erasure is acknowledged after that.';

ALTER TABLE erasure_to_journal ENABLE ROW LEVEL SECURITY;
ALTER TABLE erasure_to_journal FORCE ROW LEVEL SECURITY;
CREATE POLICY one_workspace ON erasure_to_journal TO muster_server
    USING (workspace_id = NULLIF(current_setting('muster.workspace', true), '')::int4);
CREATE POLICY owner_sees_all ON erasure_to_journal TO CURRENT_USER USING (true);
GRANT SELECT, INSERT, DELETE ON erasure_to_journal TO muster_server;

ALTER TABLE merged_user ADD braze_id text COLLATE "C";
COMMENT ON COLUMN merged_user.braze_id IS
    'Of the merged registration, which a backup of before the merge has: an erasure of the kept user means it too. Null where an older server merged.';
