-- Who did what, from where, and what it changed. before and after: JSON objects.
CREATE TABLE audit (
    id         text COLLATE "C" PRIMARY KEY,
    at_us      bigint NOT NULL,
    action     text COLLATE "C" NOT NULL,
    caller     text COLLATE "C",
    peer       text COLLATE "C",
    request_id text COLLATE "C",
    target     text COLLATE "C",
    site_id    text COLLATE "C",
    detail     text COLLATE "C",
    before     text COLLATE "C",
    after      text COLLATE "C"
);

CREATE INDEX audit_by_time ON audit (at_us, id);
CREATE INDEX audit_by_caller ON audit (caller, at_us, id);
CREATE INDEX audit_by_target ON audit (target, at_us, id) WHERE target IS NOT NULL;
