-- How well each asset was seen and steered in each hour; lengths in microseconds. continues: hours
-- before it without a row had no headend. received, started: counts of latencies by bucket, as a
-- JSON object (derhead/service_levels/latencies.py); NULL = none.
CREATE TABLE service_levels (
    hour_us       INTEGER NOT NULL,
    asset_id      TEXT NOT NULL,
    from_us       INTEGER NOT NULL,
    until_us      INTEGER NOT NULL,
    continues     INTEGER NOT NULL,
    seen_us       INTEGER NOT NULL,
    down_us       INTEGER NOT NULL,
    fresh_us      INTEGER NOT NULL,
    held_us       INTEGER NOT NULL,
    reconnects    INTEGER NOT NULL,
    outages       INTEGER NOT NULL,
    longest_us    INTEGER NOT NULL,
    stale_from_us INTEGER,
    received      TEXT,
    started       TEXT,
    PRIMARY KEY (hour_us, asset_id)
) WITHOUT ROWID;

CREATE INDEX service_levels_by_asset ON service_levels (asset_id, hour_us);
