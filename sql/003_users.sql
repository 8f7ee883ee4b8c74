-- Users and their identifiers. Identifiers are compared as bytes (COLLATE "C"), so different spellings stay different.

CREATE TABLE registered_user (
    workspace_id int4 NOT NULL,
    user_number int4 NOT NULL,
    external_id text COLLATE "C",
    braze_id text COLLATE "C" NOT NULL DEFAULT substr(replace(gen_random_uuid()::text, '-', ''), 1, 24),
    attributes jsonb NOT NULL DEFAULT '{}',
    -- Separate columns, because under row-level security an index over jsonb is of no use. Lower-cases only A to Z.
    email text COLLATE "C" GENERATED ALWAYS AS (CASE
        WHEN jsonb_typeof(attributes -> 'email') = 'string' AND octet_length(attributes ->> 'email') BETWEEN 1 AND 1024
        THEN lower((attributes ->> 'email') COLLATE "C") END) STORED,
    phone text COLLATE "C" GENERATED ALWAYS AS (CASE
        WHEN jsonb_typeof(attributes -> 'phone') = 'string' AND octet_length(attributes ->> 'phone') BETWEEN 1 AND 1024
        THEN attributes ->> 'phone' END) STORED,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT registered_user_pkey PRIMARY KEY (workspace_id, user_number) INCLUDE (external_id),
    CONSTRAINT registered_user_external_id_unique UNIQUE (workspace_id, external_id) INCLUDE (user_number),
    CONSTRAINT registered_user_braze_id_unique UNIQUE (workspace_id, braze_id) INCLUDE (user_number),
    CONSTRAINT registered_user_workspace FOREIGN KEY (workspace_id) REFERENCES workspace,
    CONSTRAINT registered_user_number_not_negative CHECK (user_number >= 0),
    CONSTRAINT registered_user_external_id_length CHECK (octet_length(external_id) BETWEEN 1 AND 1024),
    CONSTRAINT registered_user_attributes_object CHECK (jsonb_typeof(attributes) = 'object')
);
COMMENT ON TABLE registered_user IS
    'A person. user_number is dense from 0 in a workspace, given out under the head of everyone, and never used twice.';
COMMENT ON COLUMN registered_user.external_id IS 'Null: an anonymous user, known by aliases and devices only.';
COMMENT ON COLUMN registered_user.braze_id IS 'A random name in 24 hexadecimal digits that no one chooses and that never changes.';
COMMENT ON COLUMN registered_user.email IS 'A way to find users and no identifier: several may have the same.';
CREATE INDEX registered_user_email ON registered_user (workspace_id, email) WHERE email IS NOT NULL;
CREATE INDEX registered_user_phone ON registered_user (workspace_id, phone) WHERE phone IS NOT NULL;

CREATE TABLE deprecated_external_id (
    workspace_id int4 NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    user_number int4 NOT NULL,
    CONSTRAINT deprecated_external_id_pkey PRIMARY KEY (workspace_id, external_id) INCLUDE (user_number),
    CONSTRAINT deprecated_external_id_user FOREIGN KEY (workspace_id, user_number) REFERENCES registered_user ON DELETE CASCADE,
    CONSTRAINT deprecated_external_id_length CHECK (octet_length(external_id) BETWEEN 1 AND 1024)
);
COMMENT ON TABLE deprecated_external_id IS
    'External ids that users had before they were renamed. Each finds its user until it is removed; none is the external_id of anybody, which whoever gives one makes sure of under the head of everyone.';
CREATE INDEX deprecated_external_id_of_user ON deprecated_external_id (workspace_id, user_number);

CREATE TABLE user_alias (
    workspace_id int4 NOT NULL,
    alias_label text COLLATE "C" NOT NULL,
    alias_name text COLLATE "C" NOT NULL,
    user_number int4 NOT NULL,
    CONSTRAINT user_alias_pkey PRIMARY KEY (workspace_id, alias_label, alias_name) INCLUDE (user_number),
    CONSTRAINT user_alias_one_name_a_label UNIQUE (workspace_id, user_number, alias_label),
    CONSTRAINT user_alias_user FOREIGN KEY (workspace_id, user_number) REFERENCES registered_user ON DELETE CASCADE,
    CONSTRAINT user_alias_label_length CHECK (octet_length(alias_label) BETWEEN 1 AND 256),
    CONSTRAINT user_alias_name_length CHECK (octet_length(alias_name) BETWEEN 1 AND 1024)
);
COMMENT ON TABLE user_alias IS 'A pair of label and name belongs to one user; a user has one name a label.';

CREATE TABLE user_device (
    workspace_id int4 NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    user_number int4 NOT NULL,
    CONSTRAINT user_device_pkey PRIMARY KEY (workspace_id, device_id) INCLUDE (user_number),
    CONSTRAINT user_device_user FOREIGN KEY (workspace_id, user_number) REFERENCES registered_user ON DELETE CASCADE,
    CONSTRAINT user_device_id_length CHECK (octet_length(device_id) BETWEEN 1 AND 1024)
);
COMMENT ON TABLE user_device IS 'A device belongs to one user. In an import it matches only while that user is anonymous.';
CREATE INDEX user_device_of_user ON user_device (workspace_id, user_number);

CREATE TABLE merged_user (
    workspace_id int4 NOT NULL,
    merged_number int4 NOT NULL,
    kept_number int4 NOT NULL,
    CONSTRAINT merged_user_pkey PRIMARY KEY (workspace_id, merged_number),
    CONSTRAINT merged_user_workspace FOREIGN KEY (workspace_id) REFERENCES workspace,
    CONSTRAINT merged_user_not_itself CHECK (merged_number <> kept_number)
);
COMMENT ON TABLE merged_user IS 'Which number stands for a merged one when an earlier version of a set is shown.';
CREATE INDEX merged_user_kept ON merged_user (workspace_id, kept_number);
