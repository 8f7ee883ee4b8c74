-- Page tokens are sealed: they contain the number of the last user of a page, and user numbers are never shown.

CREATE TABLE page_token_key (
    workspace_id int4 NOT NULL,
    key bytea NOT NULL,
    CONSTRAINT page_token_key_pkey PRIMARY KEY (workspace_id),
    CONSTRAINT page_token_key_workspace FOREIGN KEY (workspace_id) REFERENCES workspace,
    CONSTRAINT page_token_key_length CHECK (octet_length(key) = 32)
);
COMMENT ON TABLE page_token_key IS
    'What page tokens are sealed with: kept here, so that a token holds on every server and after a restart.';

-- Two random UUIDs have 244 random bits together. The program generates the keys of new workspaces.
INSERT INTO page_token_key (workspace_id, key)
SELECT workspace_id, decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex') FROM workspace;

ALTER TABLE page_token_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE page_token_key FORCE ROW LEVEL SECURITY;
CREATE POLICY one_workspace ON page_token_key TO muster_server
    USING (workspace_id = NULLIF(current_setting('muster.workspace', true), '')::int4);
CREATE POLICY owner_sees_all ON page_token_key TO CURRENT_USER USING (true);
GRANT SELECT ON page_token_key TO muster_server;
