-- Comments in the words of the documentation.

COMMENT ON TABLE workspace IS
    'The data of one company. Every other table of data has row-level security by workspace_id.';
COMMENT ON TABLE set_snapshot IS
    'The set at one version. It is apart from the head, so that compaction never waits for imports.';
COMMENT ON TABLE ended_set IS
    'Sets of deleted cohorts that may still have receipts. Maintenance deletes the receipts, and then the row, once no repeat of an import has to be recognized.';
COMMENT ON COLUMN cohort.forgotten_import_at IS 'The time of the newest import whose receipt was deleted.';
