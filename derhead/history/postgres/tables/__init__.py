"""The tables in PostgreSQL: their form, and what is written, read back and deleted.

From the ground up: ``days`` and ``partitions`` (telemetry by days), ``fed_database`` and ``schema``
(the tables), ``inserts``, ``deleting`` (the retention), ``last_state`` (for a journal that was
lost), ``loader`` (all of it on the feed's connection).
"""
