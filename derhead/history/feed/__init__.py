"""Feeding PostgreSQL from the journal: the spool, and the task that empties it."""
