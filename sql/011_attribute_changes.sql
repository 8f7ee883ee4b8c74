-- The users whose attributes changed, so that the result of an attribute test is refreshed incrementally.

CREATE TABLE attribute_change (
    workspace_id int4 NOT NULL,
    version int8 NOT NULL,
    previous_tag int8 NOT NULL,
    user_numbers int4[] NOT NULL,
    CONSTRAINT attribute_change_pkey PRIMARY KEY (workspace_id, version),
    CONSTRAINT attribute_change_workspace FOREIGN KEY (workspace_id) REFERENCES workspace,
    CONSTRAINT attribute_change_version_positive CHECK (version > 0)
);
COMMENT ON TABLE attribute_change IS
    'The users who got, changed or lost an attribute at a version of the head of attributes, erased and merged ones among them. A version without a row, such as one of before this table, is a change of everybody. Only the newest are kept.';
COMMENT ON COLUMN attribute_change.previous_tag IS 'The tag of the version before: tells histories apart that share version numbers.';
COMMENT ON COLUMN attribute_change.user_numbers IS 'Not a bitmap, since the statement that reads it looks these users up.';
ALTER TABLE attribute_change ALTER user_numbers SET STORAGE EXTERNAL;

ALTER TABLE attribute_change ENABLE ROW LEVEL SECURITY;
ALTER TABLE attribute_change FORCE ROW LEVEL SECURITY;
CREATE POLICY one_workspace ON attribute_change TO muster_server
    USING (workspace_id = NULLIF(current_setting('muster.workspace', true), '')::int4);
CREATE POLICY owner_sees_all ON attribute_change TO CURRENT_USER USING (true);
GRANT SELECT, INSERT, DELETE ON attribute_change TO muster_server;
