-- Who did what, from where, and what it changed. before and after: JSON objects.
CREATE TABLE audit (
    id         TEXT PRIMARY KEY,
    at_us      INTEGER NOT NULL,
    action     TEXT NOT NULL,
    caller     TEXT,
    peer       TEXT,
    request_id TEXT,
    target     TEXT,
    site_id    TEXT,
    detail     TEXT,
    before     TEXT,
    after      TEXT
) WITHOUT ROWID;

CREATE INDEX audit_by_time ON audit (at_us, id);
CREATE INDEX audit_by_caller ON audit (caller, at_us, id);
CREATE INDEX audit_by_target ON audit (target, at_us, id) WHERE target IS NOT NULL;
