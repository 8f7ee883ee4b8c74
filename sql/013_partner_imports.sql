-- A partner's imports into all of its cohorts, newest first.

CREATE INDEX cohort_import_of_partner ON cohort_import (workspace_id, partner, imported_at, set_number, version);
