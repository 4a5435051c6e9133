-- Times are integer microseconds since the epoch, UTC. NULL = unknown.

CREATE TABLE assets (
    id       INTEGER PRIMARY KEY,
    asset_id TEXT NOT NULL UNIQUE
);

-- One boot of one agent. boot_id is an unsigned 64-bit number, kept as decimal text.
CREATE TABLE boots (
    id       INTEGER PRIMARY KEY,
    agent_id TEXT NOT NULL,
    boot_id  TEXT NOT NULL,
    UNIQUE (agent_id, boot_id)
);

-- boot and seq name a sample: a resend is recognised, a clock stepped back loses nothing.
CREATE TABLE telemetry (
    asset        INTEGER NOT NULL,
    ts_us        INTEGER NOT NULL,
    boot         INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    received_us  INTEGER NOT NULL,
    p_mw         REAL,
    q_mvar       REAL,
    soc          REAL,
    voltage_v    REAL,
    frequency_hz REAL,
    status       INTEGER NOT NULL,
    quality      INTEGER NOT NULL,
    setpoint_mw  REAL,
    PRIMARY KEY (asset, ts_us, boot, seq)
) WITHOUT ROWID;

CREATE TABLE dispatches (
    id            TEXT PRIMARY KEY,
    asset_id      TEXT NOT NULL,
    mw            REAL NOT NULL,
    created_us    INTEGER NOT NULL,
    start_us      INTEGER NOT NULL,
    duration_us   INTEGER,
    priority      INTEGER NOT NULL,
    ramp_mw_per_s REAL,
    group_id      TEXT,
    expires_us    INTEGER,
    state         TEXT NOT NULL,
    reason        TEXT,
    detail        TEXT,
    applied_mw    REAL,
    session_id    TEXT,
    attempts      INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX dispatches_by_time ON dispatches (created_us, id);
CREATE INDEX dispatches_by_asset ON dispatches (asset_id, created_us, id);
CREATE INDEX dispatches_by_state ON dispatches (state, created_us, id);

-- Every state a dispatch was in; n counts from 0.
CREATE TABLE dispatch_states (
    dispatch_id TEXT NOT NULL,
    n           INTEGER NOT NULL,
    state       TEXT NOT NULL,
    at_us       INTEGER NOT NULL,
    reason      TEXT,
    detail      TEXT,
    PRIMARY KEY (dispatch_id, n)
) WITHOUT ROWID;

-- asset_ids is a JSON array.
CREATE TABLE sessions (
    session_id       TEXT PRIMARY KEY,
    agent_id         TEXT NOT NULL,
    site_id          TEXT,
    asset_ids        TEXT NOT NULL,
    connected_us     INTEGER NOT NULL,
    peer             TEXT NOT NULL,
    software_version TEXT NOT NULL,
    boot_id          TEXT NOT NULL,
    ended_us         INTEGER,
    end_reason       TEXT,
    messages         INTEGER NOT NULL,
    samples          INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX sessions_by_agent ON sessions (agent_id, connected_us, session_id);
CREATE INDEX sessions_open ON sessions (session_id) WHERE ended_us IS NULL;

-- devices is a JSON array of [asset_id, health].
CREATE TABLE heartbeats (
    agent_id     TEXT NOT NULL,
    received_us  INTEGER NOT NULL,
    ts_us        INTEGER NOT NULL,
    uptime_ms    INTEGER NOT NULL,
    outbox_rows  INTEGER NOT NULL,
    dropped_rows INTEGER NOT NULL,
    devices      TEXT NOT NULL,
    PRIMARY KEY (agent_id, received_us, ts_us)
) WITHOUT ROWID;
