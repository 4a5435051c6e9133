-- What the journal knows of itself: one value a key.
CREATE TABLE facts (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- What PostgreSQL has not been fed yet, one row a commit, in the order of commits; written
-- only while PostgreSQL is configured. oldest_ts_us, newest_ts_us: of its telemetry, NULL
-- without any. payload: see derhead/history/feed/.
CREATE TABLE unfed (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    committed_us INTEGER NOT NULL,
    rows         INTEGER NOT NULL,
    oldest_ts_us INTEGER,
    newest_ts_us INTEGER,
    payload      BLOB NOT NULL
);

-- Holes in the history of assets. start_us: the last sample before; end_us: the first one
-- after, NULL while it lasts. filled_us: up to where samples that came later close it.
CREATE TABLE gaps (
    id          TEXT PRIMARY KEY,
    asset_id    TEXT NOT NULL,
    agent_id    TEXT,
    start_us    INTEGER NOT NULL,
    end_us      INTEGER,
    cause       TEXT NOT NULL,
    rows        INTEGER,
    backfilled  INTEGER NOT NULL,
    filled_us   INTEGER,
    revision    INTEGER NOT NULL,
    noticed_us  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX gaps_by_asset ON gaps (asset_id, start_us, id);
CREATE INDEX gaps_open ON gaps (asset_id, start_us) WHERE end_us IS NULL OR backfilled = 0;
