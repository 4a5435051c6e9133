"""The journal's file: lock it, check it, salvage it if it is damaged, open it.

From the ground up: ``inserts`` (many rows a statement), ``facts`` (what the journal knows of
itself), ``activity`` (what opening is doing), ``lock`` (on the data folder), ``damage`` (checks),
``room`` (on the disk), ``replacing`` (a new file in its place), ``table_walks`` and ``salvage``
(rescue of a damaged file), ``schema`` (migrations and connections), ``backup``. All synchronous.
"""
