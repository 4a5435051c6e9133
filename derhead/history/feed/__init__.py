"""The feed: brings PostgreSQL what the journal stored, at least once and idempotently.

From the ground up: ``feed_statistics``, ``pace`` (how fast a backlog goes), ``feed_health``
(what stands in the way), ``position`` (how far the feed is), ``table_pages`` (what was there before
PostgreSQL was), ``feeder`` (the task), ``restoring`` (the way back, for a journal that was lost).
"""
