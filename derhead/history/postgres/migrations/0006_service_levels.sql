-- How well each asset was seen and steered in each hour; lengths in microseconds. continues: hours
-- before it without a row had no headend. received, started: counts of latencies by bucket, as a
-- JSON object (derhead/service_levels/latencies.py); NULL = none.
CREATE TABLE service_levels (
    hour_us       bigint NOT NULL,
    asset_id      text COLLATE "C" NOT NULL,
    from_us       bigint NOT NULL,
    until_us      bigint NOT NULL,
    continues     bigint NOT NULL,
    seen_us       bigint NOT NULL,
    down_us       bigint NOT NULL,
    fresh_us      bigint NOT NULL,
    held_us       bigint NOT NULL,
    reconnects    bigint NOT NULL,
    outages       bigint NOT NULL,
    longest_us    bigint NOT NULL,
    stale_from_us bigint,
    received      text COLLATE "C",
    started       text COLLATE "C",
    PRIMARY KEY (hour_us, asset_id)
);

CREATE INDEX service_levels_by_asset ON service_levels (asset_id, hour_us);
