"""PostgreSQL: all that knows its driver and the asyncio loop that the driver needs.

From the ground up: ``causes`` (why it cannot be used), ``driver`` (asyncpg), ``days`` and
``partitions`` (telemetry by days), ``schema``, ``inserts``, ``deleting`` (its retention),
``last_state`` (for a journal that was lost), ``loader`` (the feed's connection), ``worker``
(requests to one connection), ``database`` (requests from any task). Beside them ``archive`` asks
the questions of the past, and does not know the driver.

This file imports none of them: whoever has no PostgreSQL loads no asyncpg.
"""
