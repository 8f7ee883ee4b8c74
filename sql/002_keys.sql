-- Partners, and the keys of partners, services and operators.

CREATE TABLE partner (
    workspace_id int4 NOT NULL,
    partner text COLLATE "C" NOT NULL,
    display_name text NOT NULL,
    enabled bool NOT NULL DEFAULT true,
    partner_api_key_digest bytea,
    created_at timestamptz NOT NULL,
    CONSTRAINT partner_pkey PRIMARY KEY (workspace_id, partner),
    CONSTRAINT partner_workspace FOREIGN KEY (workspace_id) REFERENCES workspace,
    CONSTRAINT partner_name_form CHECK (partner ~ '^[a-z0-9_-]{1,64}$'),
    CONSTRAINT partner_display_name_length CHECK (octet_length(display_name) BETWEEN 1 AND 512)
);
COMMENT ON TABLE partner IS 'Who pushes cohorts; the name is the path component of the REST route.';

CREATE TABLE api_key (
    workspace_id int4 NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    kind text COLLATE "C" NOT NULL,
    partner text COLLATE "C",
    name text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text COLLATE "C",
    expires_at timestamptz,
    invalidated_at timestamptz,
    last_used_at timestamptz,
    CONSTRAINT api_key_pkey PRIMARY KEY (workspace_id, key_id),
    CONSTRAINT api_key_digest_unique UNIQUE (workspace_id, digest),
    CONSTRAINT api_key_partner FOREIGN KEY (workspace_id, partner) REFERENCES partner,
    CONSTRAINT api_key_workspace FOREIGN KEY (workspace_id) REFERENCES workspace,
    CONSTRAINT api_key_digest_length CHECK (octet_length(digest) = 32),
    CONSTRAINT api_key_kind CHECK (kind IN ('import', 'service')),
    CONSTRAINT api_key_import_has_partner CHECK ((kind = 'import') = (partner IS NOT NULL)),
    CONSTRAINT api_key_name_length CHECK (octet_length(name) BETWEEN 1 AND 512)
);
COMMENT ON TABLE api_key IS 'Secrets as SHA-256, never themselves. key_id is public: it stands in logs and lists.';
