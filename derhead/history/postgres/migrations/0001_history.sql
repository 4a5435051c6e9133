-- The journal's tables, with its names and columns. Times are integer microseconds since the
-- epoch, UTC. NULL = unknown. Text is compared by its bytes, as SQLite does.

CREATE TABLE facts (
    key   text COLLATE "C" PRIMARY KEY,
    value text COLLATE "C" NOT NULL
);

CREATE TABLE assets (
    id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    asset_id text COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE boots (
    id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent_id text COLLATE "C" NOT NULL,
    boot_id  text COLLATE "C" NOT NULL,
    UNIQUE (agent_id, boot_id)
);

-- asset and boot are this database's own small integers, not the journal's. One partition a
-- day of UTC, made by the headend as they are needed; the default one takes all other times.
CREATE TABLE telemetry (
    asset        integer NOT NULL,
    boot         integer NOT NULL,
    ts_us        bigint NOT NULL,
    seq          bigint NOT NULL,
    received_us  bigint NOT NULL,
    p_mw         double precision,
    q_mvar       double precision,
    soc          double precision,
    voltage_v    double precision,
    frequency_hz double precision,
    status       bigint NOT NULL,
    quality      bigint NOT NULL,
    setpoint_mw  double precision,
    PRIMARY KEY (asset, ts_us, boot, seq)
) PARTITION BY RANGE (ts_us);

CREATE TABLE telemetry_default PARTITION OF telemetry DEFAULT;

CREATE TABLE dispatches (
    id             text COLLATE "C" PRIMARY KEY,
    asset_id       text COLLATE "C" NOT NULL,
    mw             double precision NOT NULL,
    created_us     bigint NOT NULL,
    start_us       bigint NOT NULL,
    duration_us    bigint,
    priority       bigint NOT NULL,
    ramp_mw_per_s  double precision,
    group_id       text COLLATE "C",
    expires_us     bigint,
    state          text COLLATE "C" NOT NULL,
    reason         text COLLATE "C",
    detail         text COLLATE "C",
    applied_mw     double precision,
    session_id     text COLLATE "C",
    attempts       bigint NOT NULL,
    superseded_by  text COLLATE "C",
    suspended      text COLLATE "C",
    interrupted_us bigint NOT NULL,
    cancelling     text COLLATE "C",
    revision       bigint NOT NULL,
    verdict        text COLLATE "C"
);

CREATE INDEX dispatches_by_time ON dispatches (created_us, id);
CREATE INDEX dispatches_by_asset ON dispatches (asset_id, created_us, id);
CREATE INDEX dispatches_by_state ON dispatches (state, created_us, id);
CREATE INDEX dispatches_by_group ON dispatches (group_id, id) WHERE group_id IS NOT NULL;

CREATE TABLE dispatch_states (
    dispatch_id text COLLATE "C" NOT NULL,
    n           bigint NOT NULL,
    state       text COLLATE "C" NOT NULL,
    at_us       bigint NOT NULL,
    reason      text COLLATE "C",
    detail      text COLLATE "C",
    PRIMARY KEY (dispatch_id, n)
);

CREATE TABLE dispatch_groups (
    id            text COLLATE "C" PRIMARY KEY,
    site_id       text COLLATE "C" NOT NULL,
    mw            double precision NOT NULL,
    created_us    bigint NOT NULL,
    start_us      bigint NOT NULL,
    duration_us   bigint,
    priority      bigint NOT NULL,
    ramp_mw_per_s double precision,
    expires_us    bigint,
    data          text COLLATE "C" NOT NULL
);

CREATE INDEX dispatch_groups_by_time ON dispatch_groups (created_us, id);

CREATE TABLE idempotency_keys (
    key         text COLLATE "C" PRIMARY KEY,
    fingerprint text COLLATE "C" NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    target_id   text COLLATE "C" NOT NULL,
    created_us  bigint NOT NULL
);

CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_us);

CREATE TABLE sessions (
    session_id       text COLLATE "C" PRIMARY KEY,
    agent_id         text COLLATE "C" NOT NULL,
    site_id          text COLLATE "C",
    asset_ids        text COLLATE "C" NOT NULL,
    connected_us     bigint NOT NULL,
    peer             text COLLATE "C" NOT NULL,
    software_version text COLLATE "C" NOT NULL,
    boot_id          text COLLATE "C" NOT NULL,
    ended_us         bigint,
    end_reason       text COLLATE "C",
    messages         bigint NOT NULL,
    samples          bigint NOT NULL,
    clock_offset_us  bigint
);

CREATE INDEX sessions_by_agent ON sessions (agent_id, connected_us, session_id);
CREATE INDEX sessions_by_end ON sessions (ended_us);

CREATE TABLE heartbeats (
    agent_id     text COLLATE "C" NOT NULL,
    received_us  bigint NOT NULL,
    ts_us        bigint NOT NULL,
    uptime_ms    bigint NOT NULL,
    outbox_rows  bigint NOT NULL,
    dropped_rows bigint NOT NULL,
    devices      text COLLATE "C" NOT NULL,
    PRIMARY KEY (agent_id, received_us, ts_us)
);

CREATE INDEX heartbeats_by_time ON heartbeats (received_us);

CREATE TABLE gaps (
    id         text COLLATE "C" PRIMARY KEY,
    asset_id   text COLLATE "C" NOT NULL,
    agent_id   text COLLATE "C",
    start_us   bigint NOT NULL,
    end_us     bigint,
    cause      text COLLATE "C" NOT NULL,
    rows       bigint,
    backfilled bigint NOT NULL,
    filled_us  bigint,
    revision   bigint NOT NULL,
    noticed_us bigint NOT NULL
);

CREATE INDEX gaps_by_asset ON gaps (asset_id, start_us, id);
CREATE INDEX gaps_by_end ON gaps (end_us);
