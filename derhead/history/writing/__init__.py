"""Writing to the journal: groups of records become transactions of SQLite.

From the ground up: ``ids`` (small integers for assets and boots), ``eventlog`` (changes in the
order of commits), ``record_store`` (a group of records in one transaction), ``recovery`` (what a
crash left open). All synchronous.
"""
