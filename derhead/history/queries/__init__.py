"""Reading the journal: its questions as SQL, and as async calls in worker threads.

From the ground up: ``query_connection`` (one question at a time), ``statements``, ``order_lookups``
and ``unfinished`` (SQL), ``reader`` (async calls), ``read_only`` (the file of a running headend).
"""
