-- What /events tells, in the order of commits; the oldest go (history/eventlog.py).
-- kind is 'dispatch', 'connected' or 'disconnected'; data the record as it then was, a JSON
-- object without nulls.
CREATE TABLE events (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us INTEGER NOT NULL,
    kind  TEXT NOT NULL,
    data  TEXT NOT NULL
);

-- A journal made anew begins above all ids that one before it gave out, unless that had a
-- thousand events a second: a reader's last id is never taken for one of another journal.
INSERT INTO sqlite_sequence (name, seq)
VALUES ('events', CAST(strftime('%s', 'now') AS INTEGER) * 1000);

-- The agent's clock minus the headend's, when it registered.
ALTER TABLE sessions ADD COLUMN clock_offset_us INTEGER;
