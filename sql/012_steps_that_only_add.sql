-- A running server continues with a newer schema while each migration beyond its own only adds to it. It does not know
-- those migrations, so the migrator records which of them only add.

ALTER TABLE migration ADD only_adds bool NOT NULL DEFAULT false;
COMMENT ON COLUMN migration.only_adds IS 'Whether servers and commands of the schema before this step work with it unchanged.';
COMMENT ON TABLE migration IS
    'The migrations that were applied. A server serves its own schema, and a newer one where all steps beyond its own only add.';
