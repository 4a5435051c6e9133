-- Dispatches that are open, or that have ended and still want a verdict.
CREATE INDEX dispatches_unjudged ON dispatches (created_us, id) WHERE verdict IS NULL;
