"""PostgreSQL: everything that knows its driver, and the asyncio loop that the driver needs.

From the ground up: ``causes`` (why it cannot be used), ``driver`` (asyncpg), ``days`` and
``partitions`` (telemetry by days), ``fed_database`` and ``schema`` (its tables), ``inserts``,
``deleting`` (its retention), ``last_state`` (for a journal that was lost), ``loader`` (the feed's
connection), ``worker`` (jobs on one connection), ``database`` (jobs from any task). ``archive``
asks the questions of history without the driver, and ``making`` loads the driver.

This file imports none of them: a headend without PostgreSQL loads no asyncpg.
"""
