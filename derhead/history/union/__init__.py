"""The union of both stores: the journal's history, and PostgreSQL's for what the journal let go.

From the ground up: ``merging`` (rows of both stores as one page), ``combined`` (both stores asked).
"""
