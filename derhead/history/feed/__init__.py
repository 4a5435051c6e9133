"""The feed: brings PostgreSQL what the journal stored, at least once and idempotently.

From the ground up: ``pace`` (how fast a backlog goes), ``backlog`` (how much waits),
``feed_health`` (what it did and what stands in the way), ``position`` (how far the feed is),
``table_pages`` (rows from before PostgreSQL was configured), ``batch_loading`` (PostgreSQL's
commits), ``expiring`` (its old rows), ``feeder`` (the task), ``clearing`` (a spool without a feed),
``restoring`` (a lost journal starts from PostgreSQL).
"""
