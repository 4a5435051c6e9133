"""The spool: what a commit changed, packed, and kept in the journal until PostgreSQL has it.

From the ground up: ``payload`` (changes as bytes), ``feed_batch`` (payloads merged), ``unfed``
(the spool's table).
"""
