"""One connection to PostgreSQL: how asyncpg opens it, why it fails, and the jobs on it.

From the ground up: ``causes`` (why PostgreSQL cannot be used), ``driver`` (asyncpg), ``worker``
(jobs on one connection, in order).
"""
