-- A running server goes on with a newer schema as long as each step beyond its own only adds to it. It doesn't know those
-- steps, so the migrator writes down what they say of themselves.

ALTER TABLE migration ADD only_adds bool NOT NULL DEFAULT false;
COMMENT ON COLUMN migration.only_adds IS 'Whether servers and commands of the schema before this step work with it unchanged.';
COMMENT ON TABLE migration IS
    'The migrations that were applied. A server serves its own schema, and a newer one where all steps beyond its own only add.';
