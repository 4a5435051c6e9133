"""What SQLite and PostgreSQL share: records as rows, pages as SQL, the questions of the past.

From the ground up: ``page_request`` (a range and a page), ``cursors`` (where the next page begins),
``row_types`` (columns), ``mapping`` (records as rows), ``migrations`` (the numbered files of a
schema), ``listings`` (one page as a statement), ``buckets`` (telemetry by steps of time),
``histories`` (the questions that every store answers).
"""
