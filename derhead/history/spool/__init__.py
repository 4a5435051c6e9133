"""The spool: changes that PostgreSQL does not have yet, packed and kept in the journal.

From the ground up: ``payload`` (changes as bytes), ``feed_batch`` (merged payloads), ``unfed`` (the
spool's table).
"""
