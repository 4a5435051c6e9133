"""PostgreSQL: everything that knows its driver, and the asyncio loop that the driver needs.

From the ground up: ``connections/`` (asyncpg, why it fails, jobs on one connection), ``tables/``
(what is written, read back and deleted), ``database`` (jobs from any task). ``archive`` asks the
questions of history without the driver, and ``making`` loads the driver.

This file imports none of them: a headend without PostgreSQL loads no asyncpg.
"""
