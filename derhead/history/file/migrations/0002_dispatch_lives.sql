-- superseded_by: the dispatch that it gave way to. suspended: why its device does not
-- follow it now. cancelling: why it is being withdrawn. revision: the newest report seen.
-- verdict: JSON.
ALTER TABLE dispatches ADD COLUMN superseded_by TEXT;
ALTER TABLE dispatches ADD COLUMN suspended TEXT;
ALTER TABLE dispatches ADD COLUMN interrupted_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dispatches ADD COLUMN cancelling TEXT;
ALTER TABLE dispatches ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dispatches ADD COLUMN verdict TEXT;

CREATE INDEX dispatches_by_group ON dispatches (group_id, id) WHERE group_id IS NOT NULL;

-- One order to a whole site; its parts are the dispatches with its id as group_id.
-- data is a JSON object.
CREATE TABLE dispatch_groups (
    id            TEXT PRIMARY KEY,
    site_id       TEXT NOT NULL,
    mw            REAL NOT NULL,
    created_us    INTEGER NOT NULL,
    start_us      INTEGER NOT NULL,
    duration_us   INTEGER,
    priority      INTEGER NOT NULL,
    ramp_mw_per_s REAL,
    expires_us    INTEGER,
    data          TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX dispatch_groups_by_time ON dispatch_groups (created_us, id);

-- What a caller's Idempotency-Key led to. kind is 'dispatch' or 'group'.
CREATE TABLE idempotency_keys (
    key         TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    kind        TEXT NOT NULL,
    target_id   TEXT NOT NULL,
    created_us  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_us);
