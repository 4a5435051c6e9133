"""What SQLite and PostgreSQL share: rows, pages as SQL, and the questions that each store answers.

From the ground up: ``page_request`` (a time range and a page), ``cursors`` (where the next page
begins), ``row_types`` (columns), ``record_tables`` (keys and conflicts), ``mapping`` (records to
rows and back), ``migrations`` (numbered SQL files), ``listings`` (a page as one statement),
``progress`` (which version of a dispatch is further), ``buckets`` (telemetry in time steps),
``histories`` (the questions).
"""
