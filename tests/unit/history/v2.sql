BEGIN TRANSACTION;
PRAGMA application_id = 1145393736;
PRAGMA user_version = 2;
CREATE TABLE assets (
    id       INTEGER PRIMARY KEY,
    asset_id TEXT NOT NULL UNIQUE
);
INSERT INTO "assets" VALUES(1,'asset-1');
INSERT INTO "assets" VALUES(2,'asset-2');
CREATE TABLE boots (
    id       INTEGER PRIMARY KEY,
    agent_id TEXT NOT NULL,
    boot_id  TEXT NOT NULL,
    UNIQUE (agent_id, boot_id)
);
INSERT INTO "boots" VALUES(1,'agent-1','18446744073709551615');
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
CREATE TABLE dispatch_states (
    dispatch_id TEXT NOT NULL,
    n           INTEGER NOT NULL,
    state       TEXT NOT NULL,
    at_us       INTEGER NOT NULL,
    reason      TEXT,
    detail      TEXT,
    PRIMARY KEY (dispatch_id, n)
) WITHOUT ROWID;
INSERT INTO "dispatch_states" VALUES('d',0,'pending',10000000,NULL,NULL);
INSERT INTO "dispatch_states" VALUES('led',0,'pending',10000000,NULL,NULL);
INSERT INTO "dispatch_states" VALUES('led',1,'sent',10000001,'LOCAL','a word');
INSERT INTO "dispatch_states" VALUES('led',2,'received',10000002,'LOCAL','a word');
INSERT INTO "dispatch_states" VALUES('led',3,'started',10000003,'LOCAL','a word');
INSERT INTO "dispatch_states" VALUES('led',4,'superseded',10000004,'LOCAL','a word');
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
, superseded_by TEXT, suspended TEXT, interrupted_us INTEGER NOT NULL DEFAULT 0, cancelling TEXT, revision INTEGER NOT NULL DEFAULT 0, verdict TEXT) WITHOUT ROWID;
INSERT INTO "dispatches" VALUES('d','asset-1',-2.5,10000000,11000000,60000000,3,0.1,'group',910000000,'pending',NULL,NULL,-2.4,'session-1',2,NULL,NULL,0,NULL,0,NULL);
INSERT INTO "dispatches" VALUES('led','asset-1',-2.5,10000000,11000000,60000000,3,0.1,'group',910000000,'superseded','LOCAL','a word',-2.4,'session-1',2,'d','LINK_SILENT',5000000,'not wanted',4,'{"result": "achieved"}');
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
INSERT INTO "heartbeats" VALUES('agent-1',9000000,8999995,1000,3,0,'[["asset-1", "ok"], ["asset-2", "degraded"]]');
CREATE TABLE idempotency_keys (
    key         TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    kind        TEXT NOT NULL,
    target_id   TEXT NOT NULL,
    created_us  INTEGER NOT NULL
) WITHOUT ROWID;
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
INSERT INTO "sessions" VALUES('session-1','agent-1','site-1','["asset-1"]',1000000,'[::1]:5','0.1.0','18446744073709551615',NULL,NULL,0,0);
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
INSERT INTO "telemetry" VALUES(1,1000000,1,1,1000007,1.5,-0.25,0.5,230.1,NULL,2,8,-1.0);
INSERT INTO "telemetry" VALUES(1,2000000,1,2,2000007,1.5,-0.25,0.5,230.1,NULL,2,8,-1.0);
INSERT INTO "telemetry" VALUES(2,3000000,1,3,3000007,1.5,-0.25,0.5,230.1,NULL,2,8,-1.0);
CREATE INDEX dispatches_by_time ON dispatches (created_us, id);
CREATE INDEX dispatches_by_asset ON dispatches (asset_id, created_us, id);
CREATE INDEX dispatches_by_state ON dispatches (state, created_us, id);
CREATE INDEX sessions_by_agent ON sessions (agent_id, connected_us, session_id);
CREATE INDEX sessions_open ON sessions (session_id) WHERE ended_us IS NULL;
CREATE INDEX dispatches_by_group ON dispatches (group_id, id) WHERE group_id IS NOT NULL;
CREATE INDEX dispatch_groups_by_time ON dispatch_groups (created_us, id);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_us);
COMMIT;
