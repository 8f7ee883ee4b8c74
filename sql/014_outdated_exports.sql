-- An archive is deleted soon after a user in it was erased, not only when it expires.

ALTER TABLE segment_export ADD outdated_at timestamptz, ADD identity_counter int8;
COMMENT ON COLUMN segment_export.outdated_at IS
    'When its archive was deleted because a user in it had been erased.';
COMMENT ON COLUMN segment_export.identity_counter IS
    'The counter of the workspace''s identity row as of which all users in the archive were there. Upkeep looks again once it has risen.';
COMMENT ON COLUMN segment_export.user_set IS
    'A stored listing of the users in the archive, which is deleted once one of them is erased.';
