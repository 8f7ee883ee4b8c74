-- A partner's imports into all of its cohorts, newest first.
--
-- All rows satisfy the condition, and only the listing's query has it. While PostgreSQL has no statistics of a new or
-- restored table, every index that begins with workspace and partner looks as good as the unique one; without the
-- condition each import would search its request id among all imports of its partner.

CREATE INDEX cohort_import_of_partner ON cohort_import (workspace_id, partner, imported_at, set_number, version)
    WHERE version > 0;
