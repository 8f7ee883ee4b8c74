-- A partner's imports into all of its cohorts, newest first.
--
-- The condition holds for all rows, and only the listing states it. As long as PostgreSQL has no statistics of a new or
-- restored table, it takes any index that begins with workspace and partner for as good as the unique one; without the
-- condition each import would look for its request id among all imports of its partner.

CREATE INDEX cohort_import_of_partner ON cohort_import (workspace_id, partner, imported_at, set_number, version)
    WHERE version > 0;
