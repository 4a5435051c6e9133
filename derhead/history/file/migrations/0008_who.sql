-- Who ordered a dispatch and who withdrew it: a name, or the address if nobody knows the name.
ALTER TABLE dispatches ADD COLUMN ordered_by TEXT;
ALTER TABLE dispatches ADD COLUMN withdrawn_by TEXT;

DROP INDEX audit_by_caller;
CREATE INDEX audit_by_caller ON audit (coalesce(caller, peer), at_us, id);
